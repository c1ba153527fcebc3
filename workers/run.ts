import { KeylaneError } from '../src/errors.js';
import { type Channel, type Driver, type ExecuteContext, type Questions, StreamsExceeded } from '../src/types.js';
import type { Due } from '../src/util/deadlines.js';
import { Link } from '../src/util/queue.js';
import { isThenable } from '../src/util/thenable.js';
import { CHUNK_COST, Credit, PIECE_BYTES } from '../src/wire/credit.js';
import type { Reply, RunCommand } from '../src/wire/protocol.js';
import { asKeylaneError, toWire } from '../src/wire/wire-error.js';
import type { Entrant, Ticket } from './gate.js';
import { Input } from './input.js';
import { unitsOf } from './lane-limits.js';
import type { Lease } from './lease.js';
import type { Pool } from './pool.js';
import type { Starts } from './starts.js';
import type { Trace } from './trace.js';
import type { Waiter } from './waiter.js';
import type { Warming } from './warming.js';

/** What a driver gets to end a request that was aborted, before the answer is given without it. */
const GRACE_MS = 2_000;
/** How often a request may be put back because the peer allows fewer streams. */
const MOST_REFUSALS = 32;

/** What a run needs of its shard. */
export interface RunHost {
  /** Where it is to be traced whose code runs. */
  readonly trace: Trace | undefined;
  now(): number;
  /** What holds requests back before they start; undefined where nothing does. */
  readonly starts: Starts | undefined;
  reply(reply: Reply): void;
  noteSent(run: Run): void;
  noteRunning(slot: number): void;
  watch(dueAt: number): void;
  answered(run: Run): void;
  ask: ExecuteContext['ask'];
  /** Lets no request of the key start for so long. */
  pause(key: string, ms: number): void;
}

/**
 * One request in its shard: waits for a stream, runs on it, is answered exactly once. To its driver it is the context.
 *
 *     waiting ── granted ──▶ running ── the driver settled, or had its grace ──▶ answered
 *        ▲  └── refused, aborted ─────────────────────────────────────────────────▶ │
 *        └───── the peer allows fewer streams ─────┘
 */
export class Run implements Waiter, Entrant, ExecuteContext, Due {
  readonly command: RunCommand;
  /** When it is aborted: its deadline, then the end of the driver's grace. */
  dueAt: number;
  readonly input: Input | undefined;
  /** Microseconds for which it held a stream; set when it is answered. */
  heldUs = 0;
  readonly #host: RunHost;
  /** When it came. */
  readonly arrived: number;
  readonly #credit: Credit | undefined;
  #inQueue: Link<Waiter> | undefined = undefined;
  #state: 'waiting' | 'running' | 'answered' = 'waiting';
  #driver: Driver | undefined = undefined;
  #pool: Pool | undefined = undefined;
  #lease: Lease | undefined = undefined;
  #warming: Warming | undefined = undefined;
  /** Where it stands with what its key may start, if that is bounded. */
  ticket: Ticket | undefined = undefined;
  #granted = 0;
  /** While it is being handed to its pool, which takes no time worth a look at the clock. */
  #startedAt = 0;
  #reused = false;
  #refusals = 0;
  #sent = false;
  #controller: AbortController | undefined = undefined;
  #onAbort: ((reason: Error) => void) | undefined = undefined;
  #abortedWith: KeylaneError | undefined = undefined;

  constructor(command: RunCommand, host: RunHost) {
    this.command = command;
    this.#host = host;
    this.arrived = host.now();
    this.dueAt = command.deadline;
    const { slot, id, mode } = command;
    this.#credit = mode === 'once' ? undefined : new Credit();
    this.input = mode === 'stream' ? new Input((bytes) => host.reply({ kind: 'credit', slot, id, bytes })) : undefined;
  }

  /** Place in the queue of its pool. Made when asked for: on a warm lane nothing waits. */
  get inQueue(): Link<Waiter> {
    this.#inQueue ??= new Link<Waiter>(this);
    return this.#inQueue;
  }

  get priority(): number {
    return this.command.priority;
  }

  /** Its deadline had passed when it came. */
  get cameLate(): boolean {
    return this.arrived >= this.command.deadline;
  }

  get waiting(): boolean {
    return this.#state === 'waiting';
  }

  /** Gets in line for a stream of the pool, unless it was aborted before its driver was loaded. */
  start(driver: Driver, pool: Pool, now: number): void {
    if (this.#state !== 'waiting') return;
    this.#driver = driver;
    this.#pool = pool;
    if (this.command.mode === 'prewarm') {
      this.#warming = pool.warm(this.command.request as number, (error) => this.#warmed(error));
    } else if (this.#host.starts?.bounds(this.command.key, pool.limits.quotas)) {
      this.#enter(this.#host.starts, false);
    } else {
      this.#startedAt = now;
      pool.acquire(this);
      this.#startedAt = 0;
    }
  }

  /** Has to wait until its key may start it. */
  #enter(starts: Starts, isBack: boolean): void {
    const { key, request } = this.command;
    const { quotas } = this.#pool?.limits ?? {};
    let units = 1;
    try {
      if (quotas && this.#driver) units = unitsOf(this.#driver, request);
    } catch (thrown) {
      this.#answerError(asKeylaneError(thrown, 'not_started'));
      return;
    }
    // It may pass at once.
    this.ticket = starts.ticket(key, this, quotas, units, isBack);
    starts.enter(this.ticket);
  }

  passed(): void {
    // The lane's pool may have left meanwhile: what it would open then nobody would bound, move or end.
    this.#pool = this.#pool?.ofNow;
    this.#pool?.acquire(this);
  }

  #warmed(error: KeylaneError | undefined): void {
    if (this.#state !== 'waiting') return;
    if (error) this.#answerError(error);
    else this.#answer(null);
  }

  granted(lease: Lease): void {
    const { starts } = this.#host;
    if (starts?.isPaused(this.command.key)) {
      this.#goBack(starts, lease);
      return;
    }
    this.#state = 'running';
    this.#lease = lease;
    this.#granted = this.#startedAt || this.#host.now();
    if (this.ticket) starts?.started(this.ticket);
    this.#reused = lease.connection.served > 0;
    this.#host.noteRunning(this.command.slot);
    let response: unknown;
    try {
      response = this.#execute(lease.connection.value);
    } catch (thrown) {
      this.#host.noteRunning(-1);
      this.#failed(thrown);
      return;
    }
    this.#host.noteRunning(-1);
    if (isThenable(response)) {
      response.then(
        (value) => this.#succeeded(value),
        (thrown) => this.#failed(thrown),
      );
    } else {
      this.#succeeded(response);
    }
  }

  /** Its peer has asked to be left alone while it was in line. */
  #goBack(starts: Starts, lease: Lease): void {
    lease.unused();
    if (this.ticket) starts.ended(this.ticket);
    this.#enter(starts, true);
  }

  #execute(connection: unknown): unknown {
    const { trace } = this.#host;
    if (!trace) return this.#driver?.execute(connection, this.command.request, this);
    return trace.run(this.command.key, () => this.#driver?.execute(connection, this.command.request, this));
  }

  refused(error: KeylaneError): void {
    this.#answerError(error);
  }

  /** Ends it for the caller's sake or the deadline's. A driver that is at it decides what is known; but not for long. */
  abort(error: KeylaneError): void {
    if (this.#state === 'answered') return;
    if (this.#state === 'running') {
      if (this.#abortedWith) {
        this.#graceOver(this.#abortedWith);
        return;
      }
      this.#abortedWith = error;
      this.dueAt = this.#host.now() + GRACE_MS;
      this.#host.watch(this.dueAt);
      this.#credit?.release();
      this.input?.end();
      this.#controller?.abort(error);
      this.#onAbort?.(error);
      return;
    }
    if (this.#inQueue?.list) this.#pool?.abandon(this);
    if (this.#warming) this.#pool?.unwarm(this.#warming);
    this.#answerError(error);
  }

  /** The reader has taken so much of the window. */
  credit(bytes: number): void {
    this.#credit?.give(bytes);
  }

  // What follows is the driver's side: ExecuteContext.

  get signal(): AbortSignal {
    // Made when asked for: it costs more than the rest of a request on a fast peer.
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#abortedWith) this.#controller.abort(this.#abortedWith);
    }
    return this.#controller.signal;
  }

  get aborted(): KeylaneError | undefined {
    return this.#abortedWith;
  }

  onAbort(call: ((reason: Error) => void) | undefined): void {
    this.#onAbort = call;
  }

  get deadline(): number {
    return this.command.deadline;
  }

  get etag(): string | undefined {
    return this.command.cache?.etag;
  }

  get live(): boolean {
    return this.#credit !== undefined;
  }

  sent(): void {
    this.#sent = true;
    this.#host.noteSent(this);
  }

  ask<Q extends keyof Questions>(question: Q, about: Questions[Q]['about']): Promise<Questions[Q]['answer']> {
    return this.#host.ask(question, about);
  }

  pause(ms: number): void {
    this.#host.pause(this.command.key, ms);
  }

  chunk(channel: Channel, data: Uint8Array): Promise<void> | undefined {
    if (!this.#credit || this.#state !== 'running' || this.#abortedWith) return undefined;
    const { slot, id } = this.command;
    let cost = data.length;
    for (let at = 0; at < data.length; at += PIECE_BYTES) {
      cost += CHUNK_COST;
      this.#host.reply({ kind: 'chunk', slot, id, channel, data: data.subarray(at, at + PIECE_BYTES) });
    }
    return this.#credit.take(cost);
  }

  #succeeded(response: unknown): void {
    const lease = this.#lease;
    if (this.#state === 'running') lease?.release(this.#answer(response));
    else lease?.release();
  }

  #failed(thrown: unknown): void {
    const lease = this.#lease;
    if (this.#state === 'answered') {
      lease?.discard(thrown as Error);
      return;
    }
    if (thrown instanceof StreamsExceeded && lease && this.#pool) {
      this.#putBack(lease, this.#pool, thrown.streams);
      return;
    }
    const error = this.#knownAs(thrown);
    this.#answerError(error);
    if (error.code === 'ERR_CONNECTION_LOST' || error.code === 'ERR_PROTOCOL') lease?.discard(error);
    else lease?.release();
  }

  #putBack(lease: Lease, pool: Pool, streams: number): void {
    this.#lease = undefined;
    this.#state = 'waiting';
    lease.exceeded(streams);
    this.#refusals++;
    if (this.#abortedWith) this.#answerError(this.#abortedWith);
    else if (this.#refusals < MOST_REFUSALS) pool.putBack(this);
    else this.#answerError(new KeylaneError('ERR_CONNECT', `the peer refused a stream ${this.#refusals} times`));
  }

  /** What the driver threw, in the light of what left and of why it was told to stop. */
  #knownAs(thrown: unknown): KeylaneError {
    const outcome = this.#sent ? 'unknown' : 'not_started';
    const aborted = this.#abortedWith;
    if (!aborted) return asKeylaneError(thrown, outcome);
    const known = thrown instanceof KeylaneError && thrown.code === aborted.code ? thrown : aborted;
    return new KeylaneError(aborted.code, known.message, {
      outcome: aborted.outcome === 'canceled' ? 'canceled' : outcome,
      ...(known.stopped === undefined ? {} : { stopped: known.stopped }),
    });
  }

  #graceOver(error: KeylaneError): void {
    const lease = this.#lease;
    this.#lease = undefined;
    this.#answerError(this.#knownAs(error));
    lease?.discard(error);
  }

  /** Returns when that was. */
  #answer(response: unknown): number {
    const { slot, id } = this.command;
    const now = this.#host.now();
    const granted = this.#granted || now;
    const openMs = this.#openMs(granted);
    this.heldUs = microseconds(now - granted);
    this.#host.reply({
      kind: 'response',
      slot,
      id,
      queuedUs: microseconds(granted - this.arrived - openMs),
      openUs: microseconds(openMs),
      runUs: this.heldUs,
      reused: this.#reused,
      response,
    });
    this.#ended();
    return now;
  }

  #answerError(error: KeylaneError): void {
    const { slot, id } = this.command;
    this.#host.reply({ kind: 'error', slot, id, ...this.#timing(this.#host.now()), error: toWire(error) });
    this.#ended();
  }

  #ended(): void {
    this.#state = 'answered';
    this.#credit?.release();
    this.input?.end();
    this.#host.answered(this);
    if (this.ticket) this.#host.starts?.ended(this.ticket);
  }

  #timing(now: number) {
    const granted = this.#granted || now;
    const openMs = this.#openMs(granted);
    this.heldUs = microseconds(now - granted);
    const queuedUs = microseconds(granted - this.arrived - openMs);
    return { queuedUs, openUs: microseconds(openMs), runUs: this.heldUs, reused: this.#reused };
  }

  /** Only the part of the opening that this request waited for, and only for the first on the connection. */
  #openMs(granted: number): number {
    const connection = this.#lease?.connection;
    if (!connection || this.#reused) return 0;
    const waited = granted - this.arrived;
    return Math.max(0, Math.min(waited, connection.openEnded - Math.max(connection.openStarted, this.arrived)));
  }
}

function microseconds(ms: number): number {
  return Math.round(ms * 1000);
}
