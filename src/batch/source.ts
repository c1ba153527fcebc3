import type { BatchOptions } from '../batch-options.js';
import type { IndexedJob, Job, JobOptions, JobSource, Journal } from '../batch-types.js';
import { checkJob, checkLabels } from '../call-options.js';
import { KeylaneError } from '../errors.js';
import { isThenable } from '../util/thenable.js';
import type { After } from './after.js';
import { digestOf } from './digest.js';
import { Item } from './item.js';

/** Everything that was given must be settled before more is. */
export const BARRIER: unique symbol = Symbol('barrier');
/** Not this one: it is settled already, or its turn comes later. */
const PASSED = Symbol('passed');

/** `undefined` at the end. */
export type Taken<Req> = Item<Req> | typeof BARRIER | undefined;
type Read<Req> = Taken<Req> | typeof PASSED;

/** Where the requests of a batch come from. */
export type Input<Req> =
  | { kind: 'requests'; from: Iterable<Req> | AsyncIterable<Req> }
  | { kind: 'jobs'; from: Jobs }
  | { kind: 'source'; from: JobSource };

/** An error stands for what could not be read as a job: that request is settled with it. */
export type Jobs = Iterable<Job | KeylaneError> | AsyncIterable<Job | KeylaneError>;

/** Undefined where nobody can know it without reading it. */
export function totalOf<Req>({ kind, from }: Input<Req>): number | undefined {
  if (kind === 'source') return from.total;
  if (Array.isArray(from)) return from.length;
  return from instanceof Set || from instanceof Map ? from.size : undefined;
}

/** What of a batch's options is about its requests one by one, and their order. */
type OrderOptions<Req> = Pick<BatchOptions<Req>, 'each' | 'labels' | 'canary' | 'waves' | 'traceparent'>;

/**
 * The requests of a batch, one by one, in the order in which they are to run: the canary first, then wave by wave, each
 * after a barrier. What has a result in the journal is passed over, once it is seen to be what it was.
 *
 * An input that can be read again is read once for each wave. Of another one, what belongs to later waves is kept.
 */
export class Source<Req> {
  readonly #input: Input<Req>;
  readonly #options: OrderOptions<Req>;
  readonly #journal: Journal | undefined;
  readonly #after: After<Req> | undefined;
  readonly #waves: readonly string[];
  #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  #next = 0;
  #canaryIsOver: boolean;
  /** Taken, to be given after the barrier. */
  #kept: Item<Req> | undefined = undefined;
  /** Which wave it is; that of those without a wave is the last. */
  #wave = 0;
  /** Of an input that can be read again: by index, the wave after the first to which it belongs. */
  #waveOf = new Uint8Array(0);
  /** Of another: those who wait for their wave. */
  readonly #later: Item<Req>[][] = [];

  constructor(
    input: Input<Req>,
    options: OrderOptions<Req>,
    journal: Journal | undefined,
    after: After<Req> | undefined,
  ) {
    this.#input = input;
    this.#options = options;
    this.#journal = journal;
    this.#after = after;
    this.#waves = options.waves ?? [];
    this.#canaryIsOver = options.canary === undefined;
    const { kind, from } = input;
    this.#iterator =
      kind === 'source' ? iteratorOf(from.read((index) => this.#isOpen(index))) : iteratorOf<unknown>(from);
  }

  next(): Taken<Req> | Promise<Taken<Req>> {
    if (this.#kept) {
      const kept = this.#kept;
      this.#kept = undefined;
      return kept;
    }
    for (;;) {
      const answer = this.#iterator.next();
      if (isThenable(answer)) return this.#nextLater(answer as Promise<IteratorResult<unknown>>);
      const read = this.#read(answer as IteratorResult<unknown>);
      if (read !== PASSED) return read;
    }
  }

  /** Tells the input that no more is wanted. Asynchronous for its rejection: `return` of a generator that is running throws. */
  async end(): Promise<void> {
    await this.#iterator.return?.();
  }

  async #nextLater(first: Promise<IteratorResult<unknown>>): Promise<Taken<Req>> {
    for (let answer = first; ; answer = Promise.resolve(this.#iterator.next())) {
      const read = this.#read(await answer);
      if (read !== PASSED) return read;
    }
  }

  #read({ done, value }: IteratorResult<unknown>): Read<Req> {
    if (done) return this.#nextWave();
    // Who was kept for a later wave has been through this.
    if (value instanceof Item) return value as Item<Req>;
    const item = this.#itemOf(value);
    if (this.#journal && this.#isSettled(item, this.#journal)) return PASSED;
    if (!this.#canaryIsOver) {
      if (item.index < this.#options.canary!) return item;
      this.#canaryIsOver = true;
      const turn = this.#inItsWave(item);
      if (turn !== PASSED) this.#kept = turn;
      return BARRIER;
    }
    return this.#inItsWave(item);
  }

  #itemOf(value: unknown): Item<Req> {
    const item =
      this.#input.kind === 'requests' ? this.#ofRequest(value as Req) : this.#ofJob(value as IndexedJob | KeylaneError);
    item.traceparent ??= this.#options.traceparent;
    // In later waves those of an input that is read again come once more.
    if (this.#wave === 0) this.#after?.enter(item);
    return item;
  }

  #ofRequest(request: Req): Item<Req> {
    const index = this.#next++;
    const { each } = this.#options;
    if (!each) return new Item(index, request, undefined);
    let own: JobOptions | undefined;
    let why: KeylaneError | undefined;
    try {
      own = each(request, index);
      checkJob(own, false);
    } catch (thrown) {
      own = undefined;
      why = asInput(thrown);
    }
    const item = new Item(index, request, own);
    item.refused = why;
    return item;
  }

  #ofJob(job: Job | IndexedJob | KeylaneError): Item<Req> {
    // An input that can be read again has been checked.
    if (this.#input.kind === 'source')
      return new Item((job as IndexedJob).index, (job as Job).request as Req, job as Job);
    const index = this.#next++;
    if (job instanceof KeylaneError) return refused(index, undefined as Req, job);
    try {
      checkJob(job, true);
      return new Item(index, job.request as Req, job);
    } catch (thrown) {
      return refused(index, (job as Job | undefined)?.request as Req, asInput(thrown));
    }
  }

  /** Throws where the request is not the one that had this place before: that ends the batch. */
  #isSettled(item: Item<Req>, journal: Journal): boolean {
    const known = journal.known(item.index);
    if (known === 'new') return false;
    const { kind, from } = this.#input;
    if (kind !== 'source' || !from.identity) journal.check(item.index, digestOf(item.own?.driver, item.request));
    if (known === 'begun') {
      item.isInterrupted = true;
      return false;
    }
    this.#after?.settled(item, known);
    return true;
  }

  #isOpen(index: number): boolean {
    const known = this.#journal?.known(index) ?? 'new';
    return known === 'new' || known === 'begun';
  }

  #inItsWave(item: Item<Req>): Item<Req> | typeof PASSED {
    if (this.#waves.length === 0 || this.#wave > 0) return item;
    const wave = this.#waveFor(item);
    if (wave === 0) return item;
    if (this.#input.kind === 'source') {
      if (item.index >= this.#waveOf.length) {
        const grown = new Uint8Array(Math.max(item.index + 1, 2 * this.#waveOf.length, this.#input.from.total ?? 0));
        grown.set(this.#waveOf);
        this.#waveOf = grown;
      }
      this.#waveOf[item.index] = wave;
    } else {
      this.#later[wave] ??= [];
      this.#later[wave].push(item);
    }
    return PASSED;
  }

  #waveFor({ request, index, own, refused }: Item<Req>): number {
    if (refused) return 0;
    const { labels } = this.#options;
    let all: readonly string[] | undefined;
    try {
      all = own?.labels ?? (typeof labels === 'function' ? checkLabels(labels(request, index)) : labels);
    } catch {
      // It is refused for that when it is its turn.
    }
    const wave = this.#waves.findIndex((label) => all?.includes(label));
    return wave < 0 ? this.#waves.length : wave;
  }

  /** What had begun and comes no more would never have a result. An input that can be read again has been compared. */
  #refuseShorter(): void {
    const { id, end } = this.#journal ?? { id: '', end: 0 };
    if (this.#input.kind === 'source' || this.#next >= end) return;
    const text = `batch ${id} had ${end} requests at least, and is given ${this.#next}; give it all of them, or begin another batch`;
    throw new KeylaneError('ERR_INPUT', text);
  }

  /** The end of what is read at the moment. */
  #nextWave(): typeof BARRIER | undefined {
    this.#canaryIsOver = true;
    if (this.#wave === 0) this.#refuseShorter();
    if (this.#wave >= this.#waves.length) return undefined;
    const wave = ++this.#wave;
    if (this.#input.kind === 'source') {
      const which = this.#waveOf;
      this.#iterator = iteratorOf(this.#input.from.read((index) => which[index] === wave));
    } else {
      this.#iterator = (this.#later[wave] ?? []).values();
      this.#later[wave] = [];
    }
    return BARRIER;
  }
}

function iteratorOf<T>(from: Iterable<T> | AsyncIterable<T>): Iterator<T> | AsyncIterator<T> {
  return Symbol.asyncIterator in from ? from[Symbol.asyncIterator]() : from[Symbol.iterator]();
}

function asInput(thrown: unknown): KeylaneError {
  return thrown instanceof KeylaneError ? thrown : new KeylaneError('ERR_INPUT', String(thrown), { cause: thrown });
}

function refused<Req>(index: number, request: Req, why: KeylaneError): Item<Req> {
  const item = new Item(index, request, undefined);
  item.refused = why;
  return item;
}
