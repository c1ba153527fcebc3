import { setMaxListeners } from 'node:events';
import type { Call, CallEvents } from '../call.js';
import { checkLabels } from '../call-options.js';
import { KeylaneError } from '../errors.js';
import type { RetryBudget } from '../retry-budget.js';
import { type Tried, tryUntilSettled, type WaitingRoom } from '../tries.js';
import type { BatchOptions, Chunk, Outcome, Parsed, Result } from '../types.js';
import { Bell } from '../util/bell.js';
import type { Clock } from '../util/clock.js';
import { isThenable } from '../util/thenable.js';
import { KeyGate } from './key-gate.js';

/** What a batch needs of its engine. */
export interface BatchHost {
  readonly clock: Clock;
  readonly random: () => number;
  readonly retries: RetryBudget;
  /** Takes a request apart, within its bounds; rejects or throws `ERR_INPUT`. */
  parse(request: unknown, bounds: { deadline: number; signal: AbortSignal | undefined }): Parsed | Promise<Parsed>;
  ok(response: unknown): boolean;
  /** Starts one try. Throws what keeps it from being handed over. */
  submit(parsed: Parsed, how: SubmitHow, events: CallEvents): Call;
  credit(call: Call, bytes: number): void;
}

export interface SubmitHow {
  deadline: number;
  signal: AbortSignal;
  priority: number;
  labels: readonly string[] | undefined;
}

const DEFAULT_CONCURRENCY = 200;
const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_ATTEMPTS = 3;

/**
 * Many requests under one bound. Results come in the order they settle. What is in flight and what has settled but was
 * not read are together at most `concurrency`: the slower the reader, the fewer in flight. Nothing is taken from the
 * input before it can start, so an endless input is fine.
 */
export class Batch<Req, Res> implements AsyncIterableIterator<Result<Req, Res>> {
  readonly #host: BatchHost;
  readonly #input: AsyncIterator<Req> | Iterator<Req>;
  readonly #options: BatchOptions<Req>;
  readonly #concurrency: number;
  readonly #gate: KeyGate;
  readonly #stop = new AbortController();
  readonly #unlisten: () => void;
  readonly #results: Result<Req, Res>[] = [];
  /** A request settled, or the input ended. */
  readonly #changed = new Bell();
  /**
   * Who waits until a dead host may be tried again holds a place among those in flight, for up to minutes: a tenth of
   * the places at most, so that it costs the others no more. Where nobody else is to come, all of them.
   */
  readonly #waitingRoom: WaitingRoom = {
    enter: () => {
      if (!this.#inputEnded && this.#waiting >= this.#concurrency / 10) return false;
      this.#waiting++;
      return true;
    },
    leave: () => {
      this.#waiting--;
    },
  };
  #waiting = 0;
  #taken = 0;
  #active = 0;
  #filling = false;
  #inputEnded = false;
  #failure: Error | undefined = undefined;

  /** @internal */
  constructor(host: BatchHost, requests: Iterable<Req> | AsyncIterable<Req>, options: BatchOptions<Req>) {
    this.#host = host;
    this.#options = options;
    this.#concurrency = options.concurrency ?? DEFAULT_CONCURRENCY;
    this.#gate = new KeyGate(options.concurrencyPerKey ?? Number.POSITIVE_INFINITY);
    this.#input = Symbol.asyncIterator in requests ? requests[Symbol.asyncIterator]() : requests[Symbol.iterator]();
    // Every retry that waits listens to it.
    setMaxListeners(0, this.#stop.signal);
    const { signal } = options;
    const abort = () => this.#cancel();
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    this.#unlisten = () => signal?.removeEventListener('abort', abort);
  }

  async next(): Promise<IteratorResult<Result<Req, Res>, undefined>> {
    for (;;) {
      // First, because what is refused on the spot is a result at once, and nothing else would tell of it.
      void this.#fill();
      const result = this.#results.shift();
      if (result) {
        void this.#fill();
        return { done: false, value: result };
      }
      if (this.#over) {
        this.#unlisten();
        if (this.#failure) throw this.#failure;
        return { done: true, value: undefined };
      }
      await this.#changed.wait();
    }
  }

  /** Leaving the loop early cancels the rest, and waits until nothing of it runs. */
  async return(): Promise<IteratorResult<Result<Req, Res>, undefined>> {
    this.#cancel();
    for (;;) {
      // Nobody reads them any more, and what is unread keeps a batch from being over.
      this.#results.length = 0;
      if (this.#over) break;
      await this.#changed.wait();
    }
    this.#unlisten();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  get #over(): boolean {
    return this.#inputEnded && this.#active === 0 && !this.#filling && this.#results.length === 0;
  }

  get #hasRoom(): boolean {
    return !this.#inputEnded && this.#active + this.#results.length < this.#concurrency;
  }

  /** Takes from the input while there is room. One at a time: an asynchronous input is not asked twice at once. */
  async #fill(): Promise<void> {
    if (this.#filling) return;
    this.#filling = true;
    let asked = false;
    try {
      while (this.#hasRoom) {
        asked = true;
        const answer = this.#input.next();
        const { done, value } = isThenable(answer) ? await this.#orStopped(answer) : answer;
        if (done) this.#inputEnded = true;
        else void this.#one(this.#taken++, value as Req);
      }
    } catch (error) {
      this.#inputEnded = true;
      this.#failure ??= error as Error;
    }
    this.#filling = false;
    // Only where something changed: two readers that find nothing would wake each other for ever.
    if (asked) this.#changed.ring();
  }

  /** An input that never answers must not keep a batch that was called off. */
  #orStopped(answer: PromiseLike<IteratorResult<Req>>): Promise<IteratorResult<Req>> {
    const { signal } = this.#stop;
    return new Promise((resolve, reject) => {
      const stopped = () => resolve({ done: true, value: undefined });
      signal.addEventListener('abort', stopped, { once: true });
      void Promise.resolve(answer.then(resolve, reject)).finally(() => signal.removeEventListener('abort', stopped));
    });
  }

  async #one(index: number, request: Req): Promise<void> {
    this.#active++;
    this.#shown(() => this.#options.onStart?.(index, request));
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options;
    const started = this.#host.clock.now();
    const deadline = timeoutMs === 0 ? Number.POSITIVE_INFINITY : started + timeoutMs;
    let key = '';
    let result: Result<Req, Res>;
    try {
      const answer = this.#host.parse(request, { deadline, signal: this.#stop.signal });
      const parsed = isThenable(answer) ? await answer : answer;
      key = parsed.key;
      result = this.#settled(
        index,
        request,
        await this.#tries(index, parsed, deadline, this.#labelsOf(request, index)),
      );
    } catch (thrown) {
      const error =
        thrown instanceof KeylaneError ? thrown : new KeylaneError('ERR_INPUT', String(thrown), { cause: thrown });
      result = this.#notSubmitted(index, request, key, error);
    }
    this.#active--;
    this.#results.push(result);
    this.#changed.ring();
  }

  #labelsOf(request: Req, index: number): readonly string[] | undefined {
    const { labels } = this.#options;
    return typeof labels === 'function' ? checkLabels(labels(request, index)) : labels;
  }

  async #tries(index: number, parsed: Parsed, deadline: number, labels: SubmitHow['labels']): Promise<Tried> {
    const { attempts = DEFAULT_ATTEMPTS, idempotent = false, priority = 0 } = this.#options;
    const { signal } = this.#stop;
    await this.#gate.enter(parsed.key);
    const start = () => this.#try(index, parsed, { deadline, signal, priority, labels });
    const { clock, random, retries: budget } = this.#host;
    const { key } = parsed;
    const waitingRoom = this.#waitingRoom;
    try {
      const policy = { key, attempts, idempotent, deadline, signal, budget, waitingRoom };
      return await tryUntilSettled(start, policy, clock, random);
    } finally {
      this.#gate.leave(parsed.key);
    }
  }

  /** One try. Rejects with what keeps it from being handed over. */
  #try(index: number, parsed: Parsed, how: SubmitHow): Promise<Call> {
    return new Promise((settled, reject) => {
      const chunk = (piece: Chunk, call: Call) => {
        this.#shown(() => this.#options.onChunk?.(index, piece));
        this.#host.credit(call, piece.data.length);
      };
      try {
        this.#host.submit(parsed, how, { settled, chunk });
      } catch (error) {
        reject(error);
      }
    });
  }

  /** A caller's function that throws ends the batch with its error; it must not end the shard's conversation. */
  #shown(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#failure ??= error as Error;
      this.#cancel();
    }
  }

  #cancel(): void {
    if (this.#stop.signal.aborted) return;
    this.#inputEnded = true;
    this.#stop.abort(new KeylaneError('ERR_CANCELED', 'the batch was canceled'));
    // Not awaited: a generator that waits for something inside answers only when that comes.
    void this.#endInput().catch(() => {});
    this.#changed.ring();
  }

  /** Asynchronous for its rejection: `return` of a generator that is running throws, and nobody may be hit by that. */
  async #endInput(): Promise<void> {
    await this.#input.return?.();
  }

  #settled(index: number, request: Req, { call, attempts, history }: Tried): Result<Req, Res> {
    const { key, response, error, shard, reused, heldMs, queuedUs, openUs, runUs } = call;
    const timing = {
      queuedMs: Math.round(heldMs * 1000 + queuedUs) / 1000,
      openMs: openUs / 1000,
      runMs: runUs / 1000,
    };
    const how = { attempts, shard, reused, cache: 'none' as const, timing, history };
    if (error) return { index, request, key, outcome: error.outcome, error, ...how };
    let outcome: Outcome;
    try {
      outcome = this.#host.ok(response) ? 'ok' : 'failed';
    } catch (cause) {
      const says = `the driver cannot read its own response: ${String(cause)}`;
      const unread = new KeylaneError('ERR_PROTOCOL', says, { key, cause });
      return { index, request, key, outcome: unread.outcome, error: unread, ...how };
    }
    return { index, request, key, outcome, response: response as Res, ...how };
  }

  #notSubmitted(index: number, request: Req, key: string, error: KeylaneError): Result<Req, Res> {
    const timing = { queuedMs: 0, openMs: 0, runMs: 0 };
    const never = { attempts: 0, shard: -1, reused: false, cache: 'none' as const, timing, history: [] };
    return { index, request, key, outcome: error.outcome, error, ...never };
  }
}
