import { setMaxListeners } from 'node:events';
import type { BatchOptions, BatchProgress } from '../batch-options.js';
import type { Journal } from '../batch-types.js';
import type { Call } from '../call.js';
import { KeylaneError } from '../errors.js';
import { mayHaveRun } from '../tries.js';
import type { Result } from '../types.js';
import { Bell } from '../util/bell.js';
import { isThenable } from '../util/thenable.js';
import { afterOf } from './after.js';
import { Course } from './course.js';
import { Departure, WITHDRAWN } from './departure.js';
import { Flight, type FlightControl } from './flight.js';
import type { BatchHost } from './host.js';
import { Intake, type IntakeControl } from './intake.js';
import type { Item } from './item.js';
import { Preparation } from './preparation.js';
import { type JournalHost, outcomeIn, Recorder } from './recorder.js';
import { interruptedResult, rememberedResult, resultOf, unsubmitted } from './result.js';
import { type Slots, slotsFor } from './slots.js';
import { type Input, Source, totalOf } from './source.js';

/** So many times the concurrency may be held back, because their key has no room or until their next try. */
const LOOK_AHEAD = 4;

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
  readonly #journalHost: JournalHost | undefined;
  readonly #preparation: Preparation<Req>;
  readonly #course: Course;
  readonly #intake: Intake<Req>;
  readonly #departure: Departure<Req>;
  readonly #slots: Slots;
  readonly #flight: Flight<Req>;
  readonly #stop = new AbortController();
  readonly #unlisten: () => void;
  readonly #results: Result<Req, Res>[] = [];
  /** A request settled, the input ended, or the gate opened. */
  readonly #changed = new Bell();
  /** Taken and not settled; of these, not yet read by the spec. */
  #active = 0;
  #preparing = 0;
  #journal: Journal | undefined = undefined;
  #recorder: Recorder<Req> | undefined = undefined;
  #opening: Promise<void> | undefined = undefined;
  #closing: Error | undefined = undefined;
  #finished: Promise<void> | undefined = undefined;

  /** @internal */
  constructor(host: BatchHost, input: Input<Req>, options: BatchOptions<Req>, journal?: JournalHost) {
    this.#host = host;
    this.#input = input;
    this.#options = options;
    this.#course = new Course(options, totalOf(input), host.meter);
    this.id = journal?.id;
    this.#journalHost = journal;
    this.#preparation = new Preparation(host, options);
    this.#intake = new Intake(this.#intakeControl());
    this.#departure = new Departure(options, host.clock, this.#course, () => this.#changed.ring());
    this.#slots = slotsFor(options, host);
    this.#flight = new Flight(this.#slots, options, this.#stop.signal, this.#flightControl());
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
    if (this.#intake.isOpen) return;
    await this.#open();
    if (this.#course.failure) throw this.#course.failure;
  }

  async next(): Promise<IteratorResult<Result<Req, Res>, undefined>> {
    if (!this.#intake.isOpen) await this.#open();
    for (;;) {
      // First, because what is refused on the spot is a result at once, and nothing else would tell of it.
      this.#fill();
      const result = this.#results.shift();
      if (result) {
        this.#fill();
        return { done: false, value: result };
      }
      if (this.#isIdle) {
        await this.#finish();
        if (this.#course.failure) throw this.#course.failure;
        return { done: true, value: undefined };
      }
      await this.#changed.wait();
    }
  }

  /** Leaving the loop early cancels the rest, and waits until nothing of it runs. */
  async return(): Promise<IteratorResult<Result<Req, Res>, undefined>> {
    await this.#end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Starts nothing more until `resume`. What is in flight goes on. */
  pause(): void {
    this.#departure.pause();
  }

  resume(): void {
    this.#departure.resume();
  }

  /** Starts nothing more. What is in flight ends and is handed out; then the iteration ends. */
  drain(): void {
    if (this.#course.ending === undefined) this.#drain();
  }

  /** A snapshot. */
  get progress(): BatchProgress {
    return this.#course.progress(this.#slots.inFlight, this.#departure.isPaused);
  }

  /** The engine is about to close: it starts no more, and its loop throws this unless all was settled. @internal */
  leave(error: Error): void {
    this.#closing = error;
    this.drain();
  }

  /** The engine has ended under it. @internal */
  async abandon(error: Error): Promise<void> {
    if (this.#finished) return;
    this.#course.fail(error);
    await this.#end(false);
  }

  async #end(forget = true): Promise<void> {
    await this.#opening?.catch(() => {});
    this.#cut('interrupted');
    for (;;) {
      // Nobody reads them any more.
      if (forget) this.#results.length = 0;
      if (this.#isIdle) break;
      this.#fill();
      await this.#changed.wait();
    }
    await this.#finish();
  }

  #open(): Promise<void> {
    this.#opening ??= this.#openWithJournal();
    return this.#opening;
  }

  async #openWithJournal(): Promise<void> {
    if (this.#intake.isEnded) return;
    try {
      const journal = await this.#journalHost!.open();
      this.#journal = journal;
      this.#recorder = new Recorder(journal, this.#input, (error) => this.#failed(error));
      this.#departure.recorder = this.#recorder;
      journal.onCancel = () => this.#cut('canceled');
      this.#begin();
      this.#stopFor(this.#course.goOn(journal));
    } catch (error) {
      this.#course.fail(error as Error);
      this.#intake.end();
    }
  }

  /** What is known of the journal is known. */
  #begin(): void {
    const after = afterOf(this.#input, this.#options, (index) => outcomeIn(this.#journal, index));
    this.#intake.open(new Source(this.#input, this.#options, this.#journal, after), after);
  }

  /** Nothing is left to do; there may be results to read. */
  get #isIdle(): boolean {
    return this.#active === 0 && this.#intake.isEmpty;
  }

  get #hasRoom(): boolean {
    return this.#slots.inFlight + this.#preparing + this.#results.length < this.#slots.limit;
  }

  #fill(): void {
    while (this.#hasRoom && this.#slots.grant()) {}
    if (this.#hasRoom) void this.#intake.fill();
  }

  #intakeControl(): IntakeControl<Req> {
    return {
      mayTake: () => this.#mayTake(),
      take: (item) => void this.#one(item),
      tookNone: () => this.#departure.putBack(),
      isSettled: () => this.#active === 0,
      failed: (error) => this.#course.fail(error),
      changed: () => this.#changed.ring(),
    };
  }

  /** Asks for a token of the rate: whoever asks takes one. */
  #mayTake(): boolean {
    const { limit, inFlight } = this.#slots;
    const recording = this.#recorder?.recording ?? 0;
    if (!this.#hasRoom || recording >= 2 * limit) return false;
    if (this.#active - inFlight - this.#preparing - recording >= LOOK_AHEAD * limit) return false;
    return this.#departure.mayTake();
  }

  async #one(item: Item<Req>): Promise<void> {
    this.#active++;
    this.#preparing++;
    item.isPrepared = false;
    if (!item.isAgain) void this.#shown(() => this.#options.onStart?.(item.index, item.request));
    let result: Result<Req, Res>;
    try {
      if (item.refused) throw item.refused;
      const host = this.#preparation.begin(item);
      const bounds = { deadline: item.deadline, signal: this.#stop.signal, mark: this.#recorder?.markOf(item) };
      const answer = host.parse(item.request, bounds);
      item.parsed = isThenable(answer) ? await answer : answer;
      item.labels = this.#preparation.labelsOf(item);
      const found = this.#options.cache ? await this.#preparation.remembered(item, item.parsed, host) : undefined;
      if (this.#course.ending === 'stopped') throw this.#course.stopped();
      // From here on it has a place or waits for one.
      item.isPrepared = true;
      this.#preparing--;
      if (found) result = rememberedResult(item, item.parsed.key, found);
      else if (item.isInterrupted && !this.#preparation.isIdempotent(item))
        result = interruptedResult(item, item.parsed.key);
      else result = resultOf(item, await this.#flight.run(item, item.parsed, host), (response) => host.ok(response));
    } catch (thrown) {
      if (!item.isPrepared) this.#preparing--;
      if (thrown === WITHDRAWN) {
        this.#recorder?.withdraw(item);
        this.#withdraw(item);
        return;
      }
      const error =
        thrown instanceof KeylaneError ? thrown : new KeylaneError('ERR_INPUT', String(thrown), { cause: thrown });
      result = unsubmitted(item, item.parsed?.key ?? '', error);
    }
    const hasLeft = mayHaveRun(result.outcome, result.shard, result.history);
    if (this.#options.invalidates && hasLeft) await item.host?.cache?.forget(this.#options.invalidates);
    // With a journal at once: what is on its way to the disk keeps nobody else from starting, and both go in one commit.
    // Without only now: a place that is free while its result is still on the way would be one too many.
    this.#flight.leave(item);
    if (this.#recorder && this.#isLost(item, result, this.#recorder, hasLeft)) {
      if (!hasLeft) this.#recorder.withdraw(item);
      this.#withdraw(item);
      return;
    }
    this.#stopFor(this.#course.count(item, result));
    if (this.#recorder) {
      this.#changed.ring();
      if (!(await this.#recorder.settle(result))) {
        this.#withdraw(item);
        return;
      }
    }
    this.#active--;
    this.#intake.settled(item, result.outcome);
    this.#results.push(result);
    this.#changed.ring();
  }

  #flightControl(): FlightControl<Req> {
    return {
      hasRoom: () => this.#hasRoom,
      expectsMore: () => !this.#intake.isEnded,
      fill: () => this.#fill(),
      waits: () => this.#departure.putBack(),
      starting: (item, hasWaited) => this.#departure.start(item, hasWaited),
      heard: (item, call) => this.#heard(item, call),
      chunk: (item, piece) => this.#shown(() => this.#options.onChunk?.(item.index, piece)),
    };
  }

  /** It has no result, now. */
  #withdraw(item: Item<Req>): void {
    const { ending } = this.#course;
    this.#flight.leave(item);
    this.#active--;
    if (ending === undefined || ending === 'stopped') this.#intake.putBack(item);
    else this.#course.dropped++;
    this.#changed.ring();
  }

  /** That the batch or its engine was told to end says nothing of the request. */
  #isLost(item: Item<Req>, { error }: Result<Req, Res>, { isBroken }: Recorder<Req>, hasLeft: boolean): boolean {
    const { ending } = this.#course;
    if (error?.code === 'ERR_CLOSED' && !isBroken) {
      this.#course.fail(error);
      if (ending === undefined || ending === 'stopped') this.#drain();
    }
    return (
      isBroken || (error !== undefined && this.#course.isLost(error, this.#preparation.isIdempotent(item), hasLeft))
    );
  }

  #failed(error: Error): undefined {
    this.#course.fail(error);
    this.#cut('interrupted');
  }

  /**
   * The last failure that is allowed stops the batch before its place is another's: with a group of one, the next host of a
   * rolling restart must not go down after one that did not come back.
   */
  #heard(item: Item<Req>, call: Call): void {
    this.#stopFor(this.#course.heard(item, call, this.#preparation.isIdempotent(item)));
  }

  /** A caller's function that throws ends the batch with its error; it must not end the shard's conversation. */
  #shown(call: () => unknown): Promise<void> | undefined {
    try {
      return (call() as Promise<void> | undefined)?.catch?.((error: Error) => this.#failed(error));
    } catch (error) {
      return this.#failed(error as Error);
    }
  }

  /** What is left is settled as not started, where it can be read to its end. */
  #stopFor(why: string | undefined): void {
    if (why === undefined || this.#course.ending !== undefined) return;
    this.#course.ending = 'stopped';
    this.#course.why = why;
    if (this.#course.total === undefined && this.#input.kind !== 'source') this.#intake.end();
    this.#intake.free();
    // With `limits.groups` hundreds may wait there, and the next of a rolling restart must not begin.
    this.#host.recall?.(this.#stop.signal, () => this.#course.stopped());
    this.#changed.ring();
  }

  #drain(): void {
    this.#course.ending = 'drained';
    this.#host.recall?.(this.#stop.signal, () => this.#course.drained());
    this.#letGo();
  }

  #cut(how: 'interrupted' | 'canceled'): void {
    if (this.#stop.signal.aborted) return;
    this.#course.ending = how;
    this.#intake.end();
    const error = new KeylaneError('ERR_CANCELED', 'the batch was canceled');
    this.#stop.abort(error);
    this.#slots.end(error);
    this.#letGo();
  }

  /** What was taken and cannot start any more. */
  #letGo(): void {
    this.#intake.end();
    const items = this.#intake.letGo();
    if (this.#journal) this.#course.dropped += items.length;
    else
      for (const item of items) {
        item.refused ??= new KeylaneError('ERR_CANCELED', 'the batch was ended before it started');
        void this.#one(item);
      }
    this.#changed.ring();
  }

  /** Once nothing runs any more. */
  #finish(): Promise<void> {
    this.#finished ??= this.#close();
    return this.#finished;
  }

  async #close(): Promise<void> {
    this.#course.isExhausted = this.#intake.isExhausted;
    this.#course.isOver = true;
    if (this.#course.end === 'interrupted') this.#course.failure ??= this.#closing;
    this.#departure.stop();
    this.#unlisten();
    try {
      await this.#journal?.close(this.#course.end, this.#course.why);
    } catch (error) {
      this.#course.fail(error as Error);
    }
    this.#journalHost?.ended();
  }
}
