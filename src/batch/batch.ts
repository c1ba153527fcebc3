import { setMaxListeners } from 'node:events';
import { type LearnedTimeouts, Patience } from '../adaptive/timeouts.js';
import type { DriverCache } from '../cache/driver-cache.js';
import type { CachePlan } from '../cache/plan.js';
import type { Remembered } from '../cache/second-level.js';
import type { Call, CallEvents } from '../call.js';
import { checkLabels } from '../call-options.js';
import { KeylaneError } from '../errors.js';
import type { RetryBudget } from '../retry-budget.js';
import { mayHaveRun, type Tried, tryUntilSettled, type WaitingRoom } from '../tries.js';
import type { BatchOptions, Chunk, Parsed, Result } from '../types.js';
import { Bell } from '../util/bell.js';
import type { Clock } from '../util/clock.js';
import { isThenable } from '../util/thenable.js';
import { rememberedResult, resultOf, unsubmitted } from './result.js';
import { type Place, Slots } from './slots.js';

/** What a batch needs of its engine. */
export interface BatchHost {
  readonly clock: Clock;
  readonly random: () => number;
  readonly retries: RetryBudget;
  /** What `concurrency: 'auto'` may grow to, at most. */
  readonly most: number;
  /** What is known of the driver's keys, for `timeoutMs: 'auto'`. */
  readonly timeouts: LearnedTimeouts;
  /** Takes a request apart, within its bounds; rejects or throws `ERR_INPUT`. */
  parse(request: unknown, bounds: { deadline: number; signal: AbortSignal | undefined }): Parsed | Promise<Parsed>;
  ok(response: unknown): boolean;
  /** Starts one try. Throws what keeps it from being handed over. */
  submit(parsed: Parsed, how: SubmitHow, events: CallEvents): Call;
  credit(call: Call, bytes: number): void;
  /** What is remembered; a prewarm has none. */
  readonly cache?: Pick<DriverCache, 'plan' | 'look' | 'heard' | 'forget'>;
}

export interface SubmitHow {
  deadline: number;
  signal: AbortSignal;
  priority: number;
  labels: readonly string[] | undefined;
  cache?: CachePlan['part'] | undefined;
}

const DEFAULT_ATTEMPTS = 3;
/** So many times the concurrency may be held back, because their key has no room or until their next try. */
const LOOK_AHEAD = 4;

/**
 * Many requests under one bound. Results come in the order they settle. What is in flight and what has settled but was
 * not read are together at most `concurrency`: the slower the reader, the fewer in flight. Nothing is taken from the
 * input before there is room for it, so an endless input is fine. What finds that its key has no room gives its own to
 * the next one and waits; four times the concurrency may do so, so that a slow key cannot keep the others out.
 */
export class Batch<Req, Res> implements AsyncIterableIterator<Result<Req, Res>> {
  readonly #host: BatchHost;
  readonly #input: AsyncIterator<Req> | Iterator<Req>;
  readonly #options: BatchOptions<Req>;
  readonly #slots: Slots;
  readonly #patience: Patience;
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
      if (!this.#inputEnded && this.#waiting >= this.#slots.limit / 10) return false;
      this.#waiting++;
      return true;
    },
    leave: () => {
      this.#waiting--;
    },
  };
  #waiting = 0;
  #taken = 0;
  /** Taken and not settled. Of these, not yet read by the spec. */
  #active = 0;
  #preparing = 0;
  #filling = false;
  #inputEnded = false;
  #failure: Error | undefined = undefined;

  /** @internal */
  constructor(host: BatchHost, requests: Iterable<Req> | AsyncIterable<Req>, options: BatchOptions<Req>) {
    this.#host = host;
    this.#options = options;
    const { concurrency = 'auto' } = options;
    const { concurrencyPerKey: perKey = concurrency === 'auto' ? 'auto' : Number.POSITIVE_INFINITY } = options;
    this.#patience = new Patience(options, host.timeouts);
    this.#slots = new Slots({ concurrency, perKey, most: host.most }, host.clock);
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
    return this.#slots.inFlight + this.#preparing + this.#results.length < this.#slots.limit;
  }

  get #mayTake(): boolean {
    if (this.#inputEnded || !this.#hasRoom) return false;
    return this.#active - this.#slots.inFlight - this.#preparing < LOOK_AHEAD * this.#slots.limit;
  }

  /** Takes from the input while there is room. One at a time: an asynchronous input is not asked twice at once. */
  async #fill(): Promise<void> {
    while (this.#hasRoom && this.#slots.grant()) {}
    if (this.#filling) return;
    this.#filling = true;
    let asked = false;
    try {
      while (this.#mayTake) {
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
    this.#preparing++;
    this.#shown(() => this.#options.onStart?.(index, request));
    const deadline = this.#patience.deadline(this.#host.clock.now());
    const item: Item = { index, deadline, ...UNREAD };
    let result: Result<Req, Res>;
    try {
      const answer = this.#host.parse(request, { deadline, signal: this.#stop.signal });
      item.parsed = isThenable(answer) ? await answer : answer;
      item.labels = this.#labelsOf(request, index);
      const found = this.#options.cache ? await this.#remembered(item, item.parsed) : undefined;
      // From here on it has a place or waits for one.
      item.isPrepared = true;
      this.#preparing--;
      result = found
        ? rememberedResult(index, request, item.parsed.key, found)
        : resultOf(index, request, await this.#tries(item, item.parsed), (response) => this.#host.ok(response));
    } catch (thrown) {
      if (!item.isPrepared) this.#preparing--;
      const error =
        thrown instanceof KeylaneError ? thrown : new KeylaneError('ERR_INPUT', String(thrown), { cause: thrown });
      result = unsubmitted(index, request, item.parsed?.key ?? '', error);
    }
    const { invalidates } = this.#options;
    if (invalidates && mayHaveRun(result.outcome, result.shard, result.history))
      await this.#host.cache?.forget(invalidates);
    // Only now: a place that is free while its result is still on the way would be one too many.
    this.#leave(item);
    this.#active--;
    this.#results.push(result);
    this.#changed.ring();
  }

  /** How the answer is remembered, and what of it is on disk. */
  async #remembered(item: Item, parsed: Parsed): Promise<Remembered | undefined> {
    const { cache } = this.#options;
    if (!cache) return undefined;
    item.plan = this.#host.cache?.plan(parsed, cache);
    return item.plan?.persist ? this.#host.cache?.look(item.plan, parsed) : undefined;
  }

  #labelsOf(request: Req, index: number): readonly string[] | undefined {
    const { labels } = this.#options;
    return typeof labels === 'function' ? checkLabels(labels(request, index)) : labels;
  }

  #tries(item: Item, parsed: Parsed): Promise<Tried> {
    const { attempts = DEFAULT_ATTEMPTS, idempotent = false } = this.#options;
    const { clock, random, retries: budget } = this.#host;
    const { signal } = this.#stop;
    const start = () => {
      item.call = undefined;
      item.place ??= this.#hasRoom ? this.#slots.take(parsed.key) : undefined;
      return item.place ? this.#try(item, parsed) : this.#tryInTurn(item, parsed);
    };
    // Where the concurrency is learned, who only waits for the next try is not in flight. Where it is given, the place is
    // kept: with a concurrency of 1 the requests go one after the other, tries and all.
    const pausing =
      this.#options.concurrency === undefined || this.#options.concurrency === 'auto'
        ? () => {
            this.#leave(item);
            void this.#fill();
          }
        : undefined;
    const { deadline } = item;
    const waitingRoom = this.#waitingRoom;
    const policy = { key: parsed.key, attempts, idempotent, deadline, signal, budget, waitingRoom, pausing };
    return tryUntilSettled(start, policy, clock, random);
  }

  async #tryInTurn(item: Item, parsed: Parsed): Promise<Call> {
    const waiting = this.#slots.wait(parsed.key, item.deadline);
    // Its place among all is another's now.
    void this.#fill();
    item.place = await waiting;
    return this.#try(item, parsed);
  }

  #leave(item: Item): void {
    if (item.place) this.#slots.leave(item.place, item.call);
    item.place = undefined;
  }

  /** One try. Rejects with what keeps it from being handed over. */
  #try(item: Item, parsed: Parsed): Promise<Call> {
    const { priority = 0 } = this.#options;
    const { signal } = this.#stop;
    const { index, labels, plan } = item;
    const deadline = this.#patience.ofTry(parsed.key, this.#host.clock, item.deadline);
    return new Promise((resolve, reject) => {
      const settled = (call: Call) => {
        if (plan) this.#host.cache?.heard(plan, call);
        if (!call.isRemembered) {
          item.call = call;
          this.#patience.heard(call);
        }
        resolve(call);
      };
      const chunk = (piece: Chunk, call: Call) => {
        this.#shown(() => this.#options.onChunk?.(index, piece));
        this.#host.credit(call, piece.data.length);
      };
      try {
        this.#host.submit(parsed, { deadline, signal, priority, labels, cache: plan?.part }, { settled, chunk });
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
    const error = new KeylaneError('ERR_CANCELED', 'the batch was canceled');
    this.#stop.abort(error);
    this.#slots.end(error);
    // Not awaited: a generator that waits for something inside answers only when that comes.
    void this.#endInput().catch(() => {});
    this.#changed.ring();
  }

  /** Asynchronous for its rejection: `return` of a generator that is running throws, and nobody may be hit by that. */
  async #endInput(): Promise<void> {
    await this.#input.return?.();
  }
}

/** A request of the input that is not settled. */
interface Item {
  readonly index: number;
  readonly deadline: number;
  /** It is read, and has or waits for a place. */
  isPrepared: boolean;
  labels: SubmitHow['labels'];
  parsed: Parsed | undefined;
  place: Place | undefined;
  /** How its answer is remembered. */
  plan: CachePlan | undefined;
  /** The try that has the place, once it is settled, unless it was answered out of memory. */
  call: Call | undefined;
}

const UNREAD = {
  isPrepared: false,
  labels: undefined,
  parsed: undefined,
  place: undefined,
  plan: undefined,
  call: undefined,
};
