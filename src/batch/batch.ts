import { setMaxListeners } from 'node:events';
import { Patience } from '../adaptive/timeouts.js';
import type { BatchState, Journal } from '../batch-types.js';
import type { Remembered } from '../cache/second-level.js';
import type { Call } from '../call.js';
import { checkLabels } from '../call-options.js';
import { KeylaneError } from '../errors.js';
import { mayHaveRun, mayTryAgain } from '../tries.js';
import type { BatchOptions, BatchProgress, Parsed, Result } from '../types.js';
import { Bell } from '../util/bell.js';
import { isThenable } from '../util/thenable.js';
import { After } from './after.js';
import { digestOf } from './digest.js';
import { type Counts, Failures } from './failures.js';
import { Flight, type FlightControl } from './flight.js';
import { Gate } from './gate.js';
import type { BatchHost } from './host.js';
import { NamedIds, SeenIds } from './ids.js';
import type { Item } from './item.js';
import { interruptedResult, rememberedResult, resultOf, unsubmitted } from './result.js';
import { Slots } from './slots.js';
import { BARRIER, type Input, Source, type Taken, totalOf } from './source.js';

/** So many times the concurrency may be held back, because their key has no room or until their next try. */
const LOOK_AHEAD = 4;
/** Thrown where a request did not start, and no result is to be made of that. */
const WITHDRAWN = Symbol('withdrawn');

/**
 * How it comes to an end before all is settled. `drained` and `stopped`: nothing more starts, and what is in flight ends;
 * `interrupted` and `canceled`: that is cut too. After `stopped` the rest is settled as not started.
 */
type Ending = 'drained' | 'stopped' | 'interrupted' | 'canceled';

/** How a batch comes to its journal. */
export interface JournalHost {
  id: string;
  /** Called once, when the batch begins. */
  open(): Promise<Journal>;
  /** It is closed, or never was open. */
  ended(): void;
}

/**
 * Many requests under one bound. Results come in the order they settle. What is in flight and what has settled but was
 * not read are together at most `concurrency`: the slower the reader, the fewer in flight. Nothing is taken from the
 * input before there is room for it, so an endless input is fine. What finds that its key has no room gives its own to
 * the next one and waits; four times the concurrency may do so, so that a slow key cannot keep the others out.
 *
 * With a journal each request goes: place → its intent on the disk → submitted → its result on the disk → handed out.
 * What is interrupted before its result is on the disk is not handed out, and left to whoever goes on with the batch.
 */
export class Batch<Req, Res> implements AsyncIterableIterator<Result<Req, Res>> {
  /** Of a batch with a journal. */
  readonly id: string | undefined;
  readonly #host: BatchHost;
  readonly #input: Input<Req>;
  readonly #options: BatchOptions<Req>;
  readonly #total: number | undefined;
  readonly #journalHost: JournalHost | undefined;
  readonly #slots: Slots;
  readonly #flight: Flight<Req>;
  readonly #patience: Patience;
  readonly #hosts = new Map<string, BatchHost>();
  readonly #stop = new AbortController();
  readonly #unlisten: () => void;
  readonly #results: Result<Req, Res>[] = [];
  /** A request settled, the input ended, or the gate opened. */
  readonly #changed = new Bell();
  readonly #counts: Counts = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
  /** Taken, and to be taken again before anything new is. */
  readonly #again: Item<Req>[] = [];
  #journal: Journal | undefined = undefined;
  #opening: Promise<void> | undefined = undefined;
  #source: Source<Req> | undefined = undefined;
  #after: After<Req> | undefined = undefined;
  #failures: Failures | undefined = undefined;
  /** Heard, not counted yet, and no success. */
  #bad = 0;
  #gate: Gate | undefined = undefined;
  /** Taken and not settled. Of these, not yet read by the spec; and those whose result is on its way to the disk. */
  #active = 0;
  #preparing = 0;
  #recording = 0;
  /** Taken, and left to whoever goes on with the batch. */
  #dropped = 0;
  #filling = false;
  /** All that was taken must be settled before more is. */
  #isBarred = false;
  #sourceEnded = false;
  #isExhausted = false;
  #endTaking: (() => void) | undefined = undefined;
  #ending: Ending | undefined = undefined;
  #why: string | undefined = undefined;
  #failure: Error | undefined = undefined;
  /** What it writes is not on the disk for sure. */
  #journalIsBroken = false;
  #finished: Promise<void> | undefined = undefined;

  /** @internal */
  constructor(host: BatchHost, input: Input<Req>, options: BatchOptions<Req>, journal?: JournalHost) {
    this.#host = host;
    this.#input = input;
    this.#options = options;
    this.#total = totalOf(input);
    this.id = journal?.id;
    this.#journalHost = journal;
    const { concurrency = 'auto' } = options;
    const { concurrencyPerKey: perKey = concurrency === 'auto' ? 'auto' : Number.POSITIVE_INFINITY } = options;
    this.#patience = new Patience(options, host.timeouts);
    this.#slots = new Slots({ concurrency, perKey, most: host.most }, host.clock);
    this.#flight = new Flight(this.#slots, options, this.#stop.signal, this.#control());
    if (options.rate !== undefined || options.window !== undefined) this.#gate = this.#newGate();
    if (!journal) this.#begin();
    // Every retry that waits listens to it.
    setMaxListeners(0, this.#stop.signal);
    const { signal } = options;
    const abort = () => this.#cut('interrupted');
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    this.#unlisten = () => signal?.removeEventListener('abort', abort);
  }

  /** Takes hold of the journal before the first `next` would. Rejects where the batch may not begin. */
  async open(): Promise<void> {
    if (this.#source) return;
    await this.#open();
    if (this.#failure) throw this.#failure;
  }

  async next(): Promise<IteratorResult<Result<Req, Res>, undefined>> {
    if (!this.#source) await this.#open();
    for (;;) {
      // First, because what is refused on the spot is a result at once, and nothing else would tell of it.
      void this.#fill();
      const result = this.#results.shift();
      if (result) {
        void this.#fill();
        return { done: false, value: result };
      }
      if (this.#isIdle) {
        await this.#finish();
        if (this.#failure) throw this.#failure;
        return { done: true, value: undefined };
      }
      await this.#changed.wait();
    }
  }

  /** Leaving the loop early cancels the rest, and waits until nothing of it runs. */
  async return(): Promise<IteratorResult<Result<Req, Res>, undefined>> {
    await this.#end('interrupted');
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Starts nothing more until `resume`. What is in flight goes on. */
  pause(): void {
    this.#gate ??= this.#newGate();
    this.#gate.pause();
  }

  resume(): void {
    this.#gate?.resume();
  }

  /** Starts nothing more. What is in flight ends and is handed out; then the iteration ends. */
  drain(): void {
    if (this.#ending !== undefined) return;
    this.#ending = 'drained';
    this.#takeNoMore();
    this.#letGo();
    this.#changed.ring();
  }

  /** A snapshot. */
  get progress(): BatchProgress {
    return {
      total: this.#total,
      settled: this.#settled,
      counts: { ...this.#counts },
      inFlight: this.#slots.inFlight,
      paused: this.#gate?.isPaused ?? false,
      state: this.#finished || this.#ending ? this.#state : 'running',
      ...(this.#why !== undefined && { why: this.#why }),
    };
  }

  /** The engine ends under it. @internal */
  async abandon(error: Error): Promise<void> {
    if (this.#finished) return;
    this.#failure ??= error;
    await this.#end('interrupted', false);
  }

  async #end(how: 'interrupted' | 'canceled', forget = true): Promise<void> {
    await this.#opening?.catch(() => {});
    this.#cut(how);
    for (;;) {
      // Nobody reads them any more.
      if (forget) this.#results.length = 0;
      if (this.#isIdle) break;
      void this.#fill();
      await this.#changed.wait();
    }
    await this.#finish();
  }

  #open(): Promise<void> {
    this.#opening ??= this.#openWithJournal();
    return this.#opening;
  }

  async #openWithJournal(): Promise<void> {
    if (this.#sourceEnded) return;
    try {
      const journal = await this.#journalHost!.open();
      this.#journal = journal;
      journal.onCancel = () => this.#cut('canceled');
      Object.assign(this.#counts, journal.counts);
      this.#begin();
    } catch (error) {
      this.#failure ??= error as Error;
      this.#sourceEnded = true;
    }
  }

  /** What is known of the journal is known. */
  #begin(): void {
    const { each, maxFailures, canary } = this.#options;
    const { kind, from } = this.#input;
    const known = (index: number) => {
      const state = this.#journal?.known(index);
      return state === 'new' || state === 'begun' ? undefined : state;
    };
    if (kind === 'source' && from.named) this.#after = new After(new NamedIds(from.named, known));
    else if (kind !== 'requests' || each) this.#after = new After(new SeenIds());
    this.#source = new Source(this.#input, this.#options, this.#journal, this.#after);
    if (maxFailures === undefined && canary === undefined) return;
    this.#failures = new Failures({ maxFailures, canary }, this.#total, this.#counts);
    if (!this.#journal) return;
    let why = this.#failures.why();
    for (let index = 0; index < (canary ?? 0) && why === undefined; index++) {
      const outcome = known(index);
      if (outcome) why = this.#failures.whyOf(index, outcome);
    }
    if (why !== undefined) this.#stopStarting(why);
  }

  /** Nothing is left to do; there may be results to read. */
  get #isIdle(): boolean {
    const isWaitedFor = this.#active > 0 || this.#filling || this.#again.length > 0;
    return this.#sourceEnded && !isWaitedFor && (this.#after?.size ?? 0) === 0;
  }

  /** There are some that were taken before. */
  get #hasAgain(): boolean {
    return this.#again.length > 0 || (this.#after?.hasFree ?? false);
  }

  get #hasRoom(): boolean {
    return this.#slots.inFlight + this.#preparing + this.#results.length < this.#slots.limit;
  }

  /** Asks for a token of the rate: whoever asks takes one. */
  get #mayTake(): boolean {
    if (!this.#hasAgain && (this.#isBarred || this.#sourceEnded)) return false;
    const { limit, inFlight } = this.#slots;
    if (!this.#hasRoom || this.#recording >= 2 * limit) return false;
    if (this.#active - inFlight - this.#preparing - this.#recording >= LOOK_AHEAD * limit) return false;
    return this.#gate === undefined || this.#ending !== undefined || this.#gate.pass();
  }

  /** Takes from the input while there is room. One at a time: an asynchronous input is not asked twice at once. */
  async #fill(): Promise<void> {
    while (this.#hasRoom && this.#slots.grant()) {}
    if (this.#filling || !this.#source) return;
    this.#filling = true;
    let asked = false;
    try {
      if (this.#active === 0 && !this.#hasAgain) this.#settledAll();
      while (this.#mayTake) {
        asked = true;
        let taken: Taken<Req> = this.#again.shift() ?? this.#after?.takeFree();
        if (!taken) {
          const answer = this.#source.next();
          taken = isThenable(answer) ? await this.#orStopped(answer) : answer;
          if (!taken) this.#isExhausted ||= !this.#sourceEnded;
        }
        if (taken === undefined) this.#sourceEnded = true;
        else if (taken === BARRIER) this.#bar();
        else if (!this.#after?.holds(taken)) void this.#one(taken);
        if (this.#active === 0 && !this.#hasAgain) this.#settledAll();
      }
    } catch (error) {
      this.#failure ??= error as Error;
      this.#sourceEnded = true;
    }
    this.#filling = false;
    // Only where something changed: two readers that find nothing would wake each other for ever.
    if (asked) this.#changed.ring();
  }

  #bar(): void {
    this.#isBarred = this.#ending === undefined;
    this.#gate?.putBack();
  }

  /** Nothing that was taken is left: who waits behind a barrier may go, and who still waits for others waits in vain. */
  #settledAll(): void {
    this.#isBarred = false;
    if (this.#sourceEnded) this.#after?.refuseAll();
  }

  /** An input that never answers must not keep a batch that was called off. */
  #orStopped(answer: PromiseLike<Taken<Req>>): Promise<Taken<Req>> {
    return new Promise((resolve, reject) => {
      this.#endTaking = () => resolve(undefined);
      if (this.#sourceEnded) this.#endTaking();
      answer.then(resolve, reject);
    });
  }

  async #one(item: Item<Req>): Promise<void> {
    this.#active++;
    this.#preparing++;
    item.isPrepared = false;
    if (!item.isAgain) this.#shown(() => this.#options.onStart?.(item.index, item.request));
    let result: Result<Req, Res>;
    try {
      if (item.refused) throw item.refused;
      const host = this.#hostOf(item);
      const { deadline } = item;
      const answer = host.parse(item.request, { deadline, signal: this.#stop.signal });
      item.parsed = isThenable(answer) ? await answer : answer;
      item.labels = this.#labelsOf(item);
      const found = this.#options.cache ? await this.#remembered(item, item.parsed, host) : undefined;
      if (this.#ending === 'stopped') throw this.#stopped();
      // From here on it has a place or waits for one.
      item.isPrepared = true;
      this.#preparing--;
      if (found) result = rememberedResult(item, item.parsed.key, found);
      else if (item.isInterrupted && !this.#isIdempotent(item)) result = interruptedResult(item, item.parsed.key);
      else result = resultOf(item, await this.#flight.run(item, item.parsed, host), (response) => host.ok(response));
    } catch (thrown) {
      if (!item.isPrepared) this.#preparing--;
      if (thrown === WITHDRAWN) {
        this.#withdraw(item);
        return;
      }
      const error =
        thrown instanceof KeylaneError ? thrown : new KeylaneError('ERR_INPUT', String(thrown), { cause: thrown });
      result = unsubmitted(item, item.parsed?.key ?? '', error);
    }
    const { invalidates } = this.#options;
    if (invalidates && mayHaveRun(result.outcome, result.shard, result.history))
      await item.host?.cache?.forget(invalidates);
    const journal = this.#journal;
    if (journal) {
      // What is on its way to the disk keeps nobody else from starting: both go in one commit.
      this.#flight.leave(item);
      if (this.#isLost(item, result)) {
        this.#withdraw(item);
        return;
      }
      this.#count(item, result);
      this.#recording++;
      this.#changed.ring();
      try {
        await journal.settle(result);
      } catch (error) {
        this.#journalFailed(error as Error);
      }
      this.#recording--;
      if (this.#journalIsBroken) {
        this.#withdraw(item);
        return;
      }
    } else {
      // Only now: a place that is free while its result is still on the way would be one too many.
      this.#flight.leave(item);
      this.#count(item, result);
    }
    this.#active--;
    this.#after?.settled(item, result.outcome);
    this.#results.push(result);
    this.#changed.ring();
  }

  /** Whose driver it is, and how long it has. Throws `ERR_INPUT` where there is no such driver. */
  #hostOf(item: Item<Req>): BatchHost {
    const { own } = item;
    let host = this.#host;
    const driver = own?.driver;
    if (driver !== undefined && host.of) {
      host = this.#hosts.get(driver) ?? host.of(driver);
      this.#hosts.set(driver, host);
    }
    item.host = host;
    item.patience = this.#patience;
    if (own?.timeoutMs !== undefined || host !== this.#host) {
      const timeoutMs = own?.timeoutMs ?? this.#options.timeoutMs;
      const options = timeoutMs === undefined ? this.#options : { ...this.#options, timeoutMs };
      item.patience = new Patience(options, host.timeouts);
    }
    item.deadline = item.patience.deadline(host.clock.now());
    return host;
  }

  #isIdempotent({ own }: Item<Req>): boolean {
    return own?.idempotent ?? this.#options.idempotent ?? false;
  }

  /** How the answer is remembered, and what of it is on disk. */
  async #remembered(item: Item<Req>, parsed: Parsed, host: BatchHost): Promise<Remembered | undefined> {
    const { cache } = this.#options;
    if (!cache) return undefined;
    item.plan = host.cache?.plan(parsed, cache);
    return item.plan?.persist ? host.cache?.look(item.plan, parsed) : undefined;
  }

  #labelsOf({ own, request, index }: Item<Req>): readonly string[] | undefined {
    if (own?.labels) return own.labels;
    const { labels } = this.#options;
    return typeof labels === 'function' ? checkLabels(labels(request, index)) : labels;
  }

  #control(): FlightControl<Req> {
    const batch = this;
    return {
      get hasRoom() {
        return batch.#hasRoom;
      },
      get expectsMore() {
        return !batch.#sourceEnded;
      },
      fill: () => void this.#fill(),
      waits: () => this.#gate?.putBack(),
      starting: (item, hasWaited) => this.#starting(item, hasWaited),
      heard: (item, call) => this.#heard(item, call),
      chunk: (item, piece) => this.#shown(() => this.#options.onChunk?.(item.index, piece)),
    };
  }

  /** Throws what keeps it from starting. With a journal, resolves when its intent is on the disk. */
  #starting(item: Item<Req>, hasWaited: boolean): Promise<void> | undefined {
    if (this.#ending !== undefined) this.#refuseStart();
    else if (this.#gate && (hasWaited ? !this.#gate.pass() : this.#gate.isShut)) throw WITHDRAWN;
    const journal = this.#journal;
    const isNew = journal && !item.isInterrupted;
    const digest = isNew && this.#wantsDigest ? digestOf(item.own?.driver, item.request) : undefined;
    item.hasBegun = true;
    return isNew ? this.#intend(journal, item.index, digest) : undefined;
  }

  async #intend(journal: Journal, index: number, digest: string | undefined): Promise<void> {
    try {
      await journal.begin(index, digest);
    } catch (error) {
      this.#journalFailed(error as Error);
      throw WITHDRAWN;
    }
  }

  get #wantsDigest(): boolean {
    const { kind, from } = this.#input;
    return kind !== 'source' || from.identity === undefined;
  }

  #refuseStart(): void {
    if (this.#ending === 'stopped') throw this.#stopped();
    if (this.#journal) throw WITHDRAWN;
    // Where it is cut, whoever it is handed to says so.
    if (this.#ending === 'drained') throw new KeylaneError('ERR_CANCELED', 'the batch was drained before it started');
  }

  /** It has no result, now. */
  #withdraw(item: Item<Req>): void {
    this.#flight.leave(item);
    this.#active--;
    if (this.#ending === undefined || this.#ending === 'stopped') {
      item.isAgain = true;
      this.#again.push(item);
    } else {
      this.#dropped++;
    }
    this.#changed.ring();
  }

  /** That the batch or its engine was told to end says nothing of the request. */
  #isLost(item: Item<Req>, { error }: Result<Req, Res>): boolean {
    if (this.#journalIsBroken) return true;
    if (error?.code === 'ERR_CLOSED') {
      this.#failure ??= error;
      this.drain();
      return true;
    }
    // The next try is whose who goes on with the batch. Where it may not run again, what is known of it is the most.
    if (this.#ending === 'interrupted' && error && this.#isIdempotent(item) && mayTryAgain(error, true)) return true;
    if (error?.code !== 'ERR_CANCELED') return false;
    return this.#ending === 'interrupted' || !item.hasBegun;
  }

  #journalFailed(error: Error): void {
    this.#journalIsBroken = true;
    this.#failure ??= error;
    this.#cut('interrupted');
  }

  /**
   * The last failure that is allowed stops the batch before its place is another's: with a group of one, the next host of a
   * rolling restart must not go down after one that did not come back.
   */
  #heard(item: Item<Req>, { error, response }: Call): void {
    if (!this.#failures || this.#ending !== undefined || item.isBad) return;
    if (error ? mayTryAgain(error, this.#isIdempotent(item)) : item.host!.ok(response)) return;
    const outcome = error?.outcome ?? 'failed';
    // That the engine is closed says nothing of the request.
    if (outcome === 'canceled' || error?.code === 'ERR_CLOSED') return;
    item.isBad = true;
    this.#bad++;
    const why = this.#failures.whyOf(item.index, outcome, this.#bad);
    if (why !== undefined) this.#stopStarting(why);
  }

  #count(item: Item<Req>, { index, outcome }: Result<Req, Res>): void {
    this.#counts[outcome]++;
    if (item.isBad) this.#bad--;
    if (!this.#failures || this.#ending !== undefined) return;
    const why = this.#failures.whyOf(index, outcome, this.#bad);
    if (why !== undefined) this.#stopStarting(why);
  }

  /** A caller's function that throws ends the batch with its error; it must not end the shard's conversation. */
  #shown(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#failure ??= error as Error;
      this.#cut('interrupted');
    }
  }

  /** What is left is settled as not started, where it can be read to its end. */
  #stopStarting(why: string): void {
    this.#ending = 'stopped';
    this.#why = why;
    if (this.#total === undefined && this.#input.kind !== 'source') this.#takeNoMore();
    this.#after?.freeAll();
    // With `limits.groups` hundreds may wait there, and the next of a rolling restart must not begin.
    this.#host.recall?.(this.#stop.signal, () => this.#stopped());
    this.#isBarred = false;
    this.#changed.ring();
  }

  #stopped(): KeylaneError {
    return new KeylaneError('ERR_STOPPED', `the batch was stopped before it: ${this.#why}`);
  }

  #cut(how: 'interrupted' | 'canceled'): void {
    if (this.#stop.signal.aborted) return;
    this.#ending = how;
    this.#takeNoMore();
    const error = new KeylaneError('ERR_CANCELED', 'the batch was canceled');
    this.#stop.abort(error);
    this.#slots.end(error);
    this.#letGo();
    this.#changed.ring();
  }

  /** What was taken and cannot start any more. */
  #letGo(): void {
    const items = this.#again.splice(0);
    this.#after?.freeAll();
    for (let item = this.#after?.takeFree(); item; item = this.#after?.takeFree()) items.push(item);
    if (this.#journal) {
      this.#dropped += items.length;
      return;
    }
    for (const item of items) {
      item.refused ??= new KeylaneError('ERR_CANCELED', 'the batch was ended before it started');
      void this.#one(item);
    }
  }

  #takeNoMore(): void {
    if (this.#sourceEnded) return;
    this.#sourceEnded = true;
    this.#endTaking?.();
    // Not awaited: a generator that waits for something inside answers only when that comes.
    void this.#source?.end().catch(() => {});
  }

  #newGate(): Gate {
    return new Gate(this.#options, this.#host.clock, () => this.#changed.ring());
  }

  /** Once nothing runs any more. */
  #finish(): Promise<void> {
    this.#finished ??= this.#close();
    return this.#finished;
  }

  async #close(): Promise<void> {
    this.#gate?.stop();
    this.#unlisten();
    try {
      await this.#journal?.close(this.#state, this.#why);
    } catch (error) {
      this.#failure ??= error as Error;
    }
    this.#journalHost?.ended();
  }

  get #state(): Exclude<BatchState, 'running'> {
    if (this.#ending === 'canceled') return 'canceled';
    const isWhole = this.#isExhausted || this.#settled === this.#total;
    if (this.#failure || this.#dropped > 0) return 'interrupted';
    if (this.#why !== undefined && (isWhole || this.#ending === 'stopped')) return 'stopped';
    return isWhole ? 'done' : 'interrupted';
  }

  get #settled(): number {
    const { ok, failed, not_started, unknown, canceled } = this.#counts;
    return ok + failed + not_started + unknown + canceled;
  }
}
