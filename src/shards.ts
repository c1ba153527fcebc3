import { Shared } from './admission.js';
import { Balancer } from './balancer.js';
import type { Call } from './call.js';
import { Cancellations } from './cancellations.js';
import { KeylaneError } from './errors.js';
import { type EngineEvent, teller } from './events.js';
import type { GroupSnapshot } from './groups.js';
import { hintOf } from './hint.js';
import { Answers, type TokenSource } from './host/answers.js';
import { Blame } from './host/blame.js';
import { MemoryWatch } from './host/memory-watch.js';
import { secretReader } from './host/secret.js';
import type { ShardClient } from './host/shard-client.js';
import { type StartThread, startThread } from './host/shard-thread.js';
import { type ShardState, Supervisor } from './host/supervisor.js';
import { type KeyState, type KeysOptions, keyStates, type LimitsLearned } from './key-states.js';
import { Moves } from './moves.js';
import type { ResolvedOptions } from './options.js';
import type { TotalLimits } from './total.js';
import type { Clock } from './util/clock.js';
import { Deadlines } from './util/deadlines.js';
import type { ShardCacheStats, ShardStats } from './wire/protocol.js';

/** How long a shard may take to answer for a passed deadline or a cancel, before the main thread answers for it. */
const SHARD_GRACE_MS = 3_000;

/** One shard as the main thread sees it. */
export interface ShardSnapshot {
  state: ShardState;
  restarts: number;
  inFlight: number;
  queued: number;
  /** The share of the last second in which its thread was at work, 0 … 1. */
  busy: number;
  /** What stands out and what to do about it; undefined where nothing does. */
  hint: string | undefined;
  /** What the shard says of itself; undefined while it does not serve. */
  inside: ShardStats | undefined;
}

/** What is in use of the bounds of the whole engine. */
interface InUse {
  inFlight: number;
  queued: number;
  bytesInFlight: number;
  limits: TotalLimits;
  groups: Record<string, GroupSnapshot>;
}

/** The shards of an engine: sends each call to the one that owns its key, and sees to it that each call is settled. */
export class Shards {
  /** Requests in all shards at once. */
  readonly maxInFlight: number;
  readonly #clock: Clock;
  readonly #answers: Answers;
  readonly #all: Supervisor[] = [];
  readonly #shared: Shared;
  readonly #deadlines: Deadlines<Call>;
  readonly #blame: Blame;
  readonly #memory: MemoryWatch;
  readonly #moves: Moves;
  readonly #balancer: Balancer | undefined;
  readonly #cancellations = new Cancellations((call) => this.cancel(call));
  #whenIdle: (() => void) | undefined = undefined;

  constructor(
    options: ResolvedOptions,
    drivers: Record<string, string>,
    clock: Clock,
    start: StartThread = startThread,
    random: () => number = Math.random,
  ) {
    this.#clock = clock;
    this.maxInFlight = options.maxInFlight;
    this.#deadlines = new Deadlines(
      clock,
      () => this.#calls(),
      (call) => this.#due(call),
    );
    const { shards, maxInFlight, maxQueued, limits, shardBlockedMs } = options;
    const total = { inFlight: maxInFlight, bytesInFlight: limits.bytesInFlight, queued: maxQueued };
    this.#shared = new Shared(total, limits.groups, limits, shards);
    this.#answers = new Answers(
      clock,
      options.ssh.confirmHostKey,
      undefined,
      secretReader(options.allowCommands, clock),
    );
    const tell = teller(options.onEvent);
    const event = (one: EngineEvent) => {
      if (one.type === 'shard_degraded') this.#moves.leave(one.shard);
      tell(one);
    };
    this.#moves = new Moves(this.#all, event);
    this.#memory = new MemoryWatch(clock, { limitMb: limits.rssMb, event });
    this.#blame = new Blame(clock, (key, deaths, forMs, shard) => {
      event({ type: 'key_quarantined', shard, key, deaths, forMs });
      this.#refuseWaiting(key);
    });
    for (let shard = 0; shard < shards; shard++) {
      // An equal part of the process's connections each; the remainder is handed out.
      const part = Math.floor(limits.connections / shards) + (shard < limits.connections % shards ? 1 : 0);
      const connectionsPerShard = Math.min(limits.connectionsPerShard, part);
      this.#all.push(
        new Supervisor({
          shard,
          clock,
          random,
          startThread: start,
          lazy: options.lazyShards,
          limits: { ...limits, connectionsPerShard, cacheBytes: options.cache.bytesPerShard },
          shared: this.#shared,
          drivers,
          heapMb: limits.shardHeapMb,
          shardBlockedMs,
          blame: this.#blame,
          ask: (ask) => this.#answers.answer(ask),
          event,
          freed: () => this.#tellIfIdle(),
        }),
      );
    }
    this.#balancer = options.moveKeys && shards > 1 ? new Balancer(clock, this.#all, this.#moves) : undefined;
  }

  /** Who gives the shards access tokens. */
  set tokens(source: TokenSource) {
    this.#answers.tokens = source;
  }

  /** Resolves when all serve. */
  async started(): Promise<void> {
    await Promise.all(this.#all.map((supervisor) => supervisor.started));
  }

  /**
   * Hands a call over to the admission of its shard; the signal calls it off. Throws what keeps it from being handed
   * over. `bounded`: the bounds on what waits apply; a batch bounds its calls itself.
   */
  submit(call: Call, signal: AbortSignal | undefined, bounded: boolean): Call {
    const { key } = call;
    if (signal?.aborted) throw new KeylaneError('ERR_CANCELED', undefined, { key, cause: signal.reason });
    if (bounded && this.#memory.refusal) throw this.#memory.refusal;
    if (this.#blame.any) {
      const refusal = this.#blame.refusal(key);
      if (refusal) throw refusal;
    }
    const owner = this.#ownerOf(call);
    owner.admission.submit(call, bounded);
    if (owner.state === 'unstarted') owner.wake();
    if (signal) this.#cancellations.watch(signal, call);
    this.#deadlines.watch(call.dueAt);
    return call;
  }

  /** Calls it off: at once if it waits, else its shard is told and answers. */
  cancel(call: Call): void {
    if (call.next) {
      this.cancel(call.next);
    } else if (call.state === 'queued') {
      this.#settleQueued(call, new KeylaneError('ERR_CANCELED', undefined, { key: call.key }));
    } else if (call.state === 'in_flight') {
      call.state = 'canceling';
      call.isCalledOff = true;
      this.clientOf(call)?.cancel(call);
      call.dueAt = this.#clock.now() + SHARD_GRACE_MS;
      this.#deadlines.watch(call.dueAt);
    }
  }

  /** Takes back what the signal would call off and still waits. */
  recall(signal: AbortSignal, why: () => KeylaneError): void {
    for (const { admission } of this.#all)
      for (const call of [...admission.calls()])
        if (call && this.#cancellations.isOf(signal, call)) this.#settleQueued(call, why());
  }

  /** Who talks to the shard that has the call; undefined before the call is dispatched. */
  clientOf(call: Call): ShardClient | undefined {
    // Of a call that is settled the shard knows nothing any more, and its slot may be another's.
    return call.slot >= 0 && call.state !== 'settled' ? this.#all[call.shard]?.client : undefined;
  }

  /** What is in use of the bounds that are never split. */
  get inUse(): InUse {
    const { total, groups } = this.#shared;
    const { inFlight, queued, bytes, limits } = total;
    return { inFlight, queued, bytesInFlight: bytes, limits: { ...limits }, groups: groups.snapshot() };
  }

  snapshots(): Promise<ShardSnapshot[]> {
    return Promise.all(
      this.#all.map(async (supervisor) => {
        const inside = await supervisor.stats();
        const { state, restarts, admission, busy } = supervisor;
        const { inFlight, queued } = admission;
        return { state, restarts, inFlight, queued, busy, hint: hintOf(busy, inside?.topKeys), inside };
      }),
    );
  }

  keys(options: KeysOptions, learned: Iterable<LimitsLearned>): Promise<KeyState[]> {
    return keyStates(this.#all, options, learned);
  }

  /** Has all shards forget what the patterns name; resolves with how many answers that was, when all have. */
  async invalidate(patterns: readonly string[]): Promise<number> {
    const forgotten = await Promise.all(this.#all.map((supervisor) => supervisor.invalidate(patterns)));
    return forgotten.reduce((sum, count) => sum + count, 0);
  }

  async cacheStats(): Promise<(ShardCacheStats | undefined)[]> {
    const stats = await Promise.all(this.#all.map((supervisor) => supervisor.stats()));
    return stats.map((inside) => inside?.cache);
  }

  /** Waits for what is in flight or waits, `timeoutMs` at most; then ends the threads. Nothing may be submitted any more. */
  async drain(timeoutMs: number): Promise<void> {
    const late = this.#clock.timer(timeoutMs, () => void this.cut('the engine was closed'));
    if (this.#busy) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    for (const supervisor of this.#all) supervisor.drain();
    await this.#stopped();
    late.cancel();
  }

  /** Ends the threads now: what waits is `not_started`, what is in flight `unknown` where its bytes had left. */
  async cut(reason: string): Promise<void> {
    const error = new KeylaneError('ERR_CLOSED', reason);
    for (const supervisor of this.#all) supervisor.destroy(error);
    this.#whenIdle?.();
    await this.#stopped();
  }

  async #stopped(): Promise<void> {
    await Promise.all(this.#all.map((supervisor) => supervisor.stopped));
    this.#deadlines.stop();
    this.#memory.stop();
    this.#balancer?.stop();
  }

  #ownerOf(call: Call): Supervisor {
    return this.#moves.ownerOf(call.key);
  }

  *#calls(): Iterable<Call | undefined> {
    for (const { admission, client } of this.#all) {
      yield* admission.calls();
      if (client) yield* client.inFlight;
    }
  }

  /** The shard keeps the deadline of what it has, and knows more: it is given time to say it. */
  #due(call: Call): void {
    const { key, deadline } = call;
    if (call.state === 'queued') {
      this.#settleQueued(
        call,
        new KeylaneError('ERR_TIMEOUT', 'the deadline passed while the request was waiting', { key }),
      );
    } else if (call.state === 'canceling') {
      call.settle(undefined, new KeylaneError('ERR_CANCELED', 'canceled; its shard did not answer', { key }));
    } else if (call.dueAt === deadline) {
      call.dueAt = deadline + SHARD_GRACE_MS;
    } else {
      const says = 'the deadline passed; its shard did not answer';
      call.settle(undefined, new KeylaneError('ERR_TIMEOUT', says, { key, outcome: 'unknown' }));
    }
    // Its slot is taken until the shard answers, but nobody waits for that.
    if (call.state === 'settled') call.dueAt = Number.POSITIVE_INFINITY;
  }

  #settleQueued(call: Call, error: KeylaneError): void {
    this.#ownerOf(call).admission.abandon(call);
    call.leftQueueAt = this.#clock.now();
    call.settle(undefined, error);
    this.#tellIfIdle();
  }

  /** What waits of a key that is kept out. */
  #refuseWaiting(key: string): void {
    const refusal = this.#blame.refusal(key);
    if (!refusal) return;
    for (const { admission } of this.#all) {
      for (const call of [...admission.calls()]) if (call.key === key) this.#settleQueued(call, refusal);
    }
  }

  get #busy(): boolean {
    return this.#all.some(({ admission }) => admission.inFlight + admission.queued > 0);
  }

  #tellIfIdle(): void {
    // Called while a call leaves: the books are right at the end of the step.
    if (this.#whenIdle) queueMicrotask(() => !this.#busy && this.#whenIdle?.());
  }
}
