import { BATCH_OPTIONS, checkCallOptions, checkIterable } from '../call-options.js';
import { KeylaneError } from '../errors.js';
import type { BatchOptions, BatchProgress, Result } from '../index.js';
import { Bell } from '../util/bell.js';
import { isThenable } from '../util/thenable.js';
import { batchQuery, windowOf } from './batch-query.js';
import type { ClientBatch } from './client.js';
import { type Item, itemOf } from './item.js';
import { Lines } from './lines.js';
import type { Opened, ServiceLink } from './link.js';
import { errorOf, isObject } from './problem.js';
import { bytesOf, refusedResult, resultOf } from './settled.js';

const NDJSON = 'application/x-ndjson';
/** Results that nobody has read, after which the service is stopped. */
const MOST_UNREAD = 64;

/**
 * A batch of an engine that is behind a service, over one exchange both ways: jobs go as lines while results come as
 * lines. Requests are taken from the input as results are read: no more than the window (`windowOf`) are taken and
 * unsettled or unread, so an endless input is fine, and the slower the reader, the fewer in flight.
 */
export class ServiceBatch<Req, Res> implements ClientBatch<Req, Res> {
  /** Of a batch with a journal: see `batches.submit`. */
  readonly id: undefined = undefined;
  readonly #link: ServiceLink;
  readonly #driver: string;
  readonly #input: Iterable<Req> | AsyncIterable<Req>;
  readonly #options: BatchOptions<Req>;
  readonly #window: number;
  /** Sent, and without a result: by the place that the service counts them by. */
  readonly #sent = new Map<number, Item>();
  readonly #results: Result<Req, Res>[] = [];
  readonly #changed = new Bell();
  readonly #counts = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
  readonly #total: number | undefined;
  #iterator: Iterator<Req> | AsyncIterator<Req> | undefined = undefined;
  #taken = 0;
  /** Of the next one, where the service counts: what is refused here it never sees. */
  #place = 0;
  #unblock: (() => void) | undefined = undefined;
  #isOpening = false;
  #lines: Lines | undefined = undefined;
  #opened: Opened | undefined = undefined;
  #isPaused = false;
  /** `fed`: nothing more is taken from the input. */
  #state: 'new' | 'feeding' | 'fed' | 'over' = 'new';
  #isExhausted = false;
  #failure: unknown = undefined;
  #why: string | undefined = undefined;
  /** What the service says has ended the batch. */
  #broke: KeylaneError | undefined = undefined;

  constructor(
    link: ServiceLink,
    driver: string,
    input: Iterable<Req> | AsyncIterable<Req>,
    options: BatchOptions<Req>,
  ) {
    checkCallOptions(options, BATCH_OPTIONS);
    checkIterable(input);
    refuseWhatIsKept(options);
    this.#link = link;
    this.#driver = driver;
    this.#input = input;
    this.#options = options;
    this.#window = windowOf(options);
    this.#total = Array.isArray(input) ? input.length : undefined;
  }

  async next(): Promise<IteratorResult<Result<Req, Res>, undefined>> {
    if (this.#state === 'new') {
      this.#link.refuseClosed();
      this.#state = 'feeding';
      void this.#feed();
    }
    for (;;) {
      const result = this.#results.shift();
      if (result) {
        if (this.#results.length < MOST_UNREAD) this.#lines?.resume();
        this.#changed.ring();
        return { done: false, value: result };
      }
      if (this.#state === 'over') {
        if (this.#failure !== undefined) throw this.#failure;
        return { done: true, value: undefined };
      }
      await this.#changed.wait();
    }
  }

  /** Leaving the loop early cancels the rest: the service hears it by the end of the connection. */
  async return(): Promise<IteratorResult<Result<Req, Res>, undefined>> {
    this.#over();
    this.#results.length = 0;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async open(): Promise<void> {}

  /** Hands nothing more over until `resume`. What the service has goes on. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#changed.ring();
  }

  /** Hands nothing more over. What the service has ends and is handed out; then the iteration ends. */
  drain(): void {
    if (this.#state === 'new') this.#over();
    else if (this.#state === 'feeding') this.#fed();
    this.#changed.ring();
  }

  get progress(): BatchProgress {
    const { ok, failed, not_started, unknown, canceled } = this.#counts;
    const isEnded = this.#state === 'over';
    return {
      total: this.#isExhausted ? this.#taken : this.#total,
      settled: ok + failed + not_started + unknown + canceled,
      counts: { ...this.#counts },
      inFlight: this.#sent.size,
      paused: this.#isPaused,
      state: !isEnded ? 'running' : this.#why !== undefined ? 'stopped' : this.#isExhausted ? 'done' : 'interrupted',
      ...(this.#why !== undefined && { why: this.#why }),
    };
  }

  /** Takes from the input what there is room for, and sends it. */
  async #feed(): Promise<void> {
    try {
      const { signal } = this.#options;
      while (this.#state === 'feeding') {
        if (signal?.aborted) break;
        if (this.#isPaused || this.#sent.size + this.#results.length >= this.#window) {
          await this.#changed.wait();
          continue;
        }
        const step = this.#take();
        const { done, value } = isThenable(step) ? await step : step;
        if (done) {
          this.#isExhausted = this.#failure === undefined;
          break;
        }
        if (this.#state !== 'feeding') return;
        await this.#one(value);
      }
      this.#fed();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** An input that fails is at its end: what was sent ends and is handed out, then the loop throws its error. */
  #take(): Step<Req> | Promise<Step<Req>> {
    const broke = (error: unknown): Step<Req> => {
      this.#failure ??= error;
      return { done: true, value: undefined };
    };
    try {
      this.#iterator ??= iteratorOf(this.#input);
      const step = this.#iterator.next();
      return isThenable(step) ? step.then(undefined, broke) : step;
    } catch (error) {
      return broke(error);
    }
  }

  async #one(request: Req): Promise<void> {
    const index = this.#taken++;
    this.#options.onStart?.(index, request);
    const item = itemOf(this.#driver, index, this.#place, request, this.#options);
    if (item.refused) {
      this.#settle(refusedResult(item.refused, item));
      return;
    }
    const opened = this.#opened ?? (await this.#open());
    if (this.#state !== 'feeding') {
      // The batch was drained while its connection was made.
      const error = new KeylaneError('ERR_CANCELED', 'the batch was ended before it started');
      this.#settle(refusedResult(error, item));
      this.#over();
      return;
    }
    this.#sent.set(this.#place++, item);
    const { exchange } = opened;
    if (exchange.request.write(item.line, () => exchange.isUnderWay())) return;
    await new Promise<void>((resolve) => {
      this.#unblock = resolve;
      exchange.request.once('drain', resolve);
    });
  }

  async #open(): Promise<Opened> {
    const { signal, onChunk } = this.#options;
    this.#isOpening = true;
    const opened = await this.#link.open({
      method: 'POST',
      path: `/v1/batches?${batchQuery(this.#driver, this.#options, { journal: 'false', ...(onChunk && { chunks: 'true' }) })}`,
      headers: { accept: `${NDJSON}, application/problem+json`, 'content-type': NDJSON },
      timeoutMs: 0,
      signal,
      runs: true,
      isIdempotent: false,
    });
    this.#isOpening = false;
    this.#opened = opened;
    void this.#read(opened);
    return opened;
  }

  async #read({ exchange }: Opened): Promise<void> {
    this.#lines = await Lines.of(exchange, this.#link.options.maxAnswerBytes, {
      line: (line) => this.#line(line),
      ended: (error) => (error ? this.#lost(error) : this.#ended()),
    });
  }

  #line(line: Record<string, unknown>): void {
    const item = this.#sent.get(line.index as number);
    if (!item) {
      if (line.index === undefined && isObject(line.error)) this.#broke = errorOf(line.error);
      return;
    }
    const { channel } = line;
    if (channel === 'stdout' || channel === 'stderr' || channel === 'message') {
      const data = bytesOf('base64' in line ? line : line.data);
      if (data) this.#shown(() => this.#options.onChunk?.(item.index, { channel, data }));
      return;
    }
    const result = resultOf(line, item);
    if (!result) return;
    this.#sent.delete(line.index as number);
    this.#settle(result);
    if (this.#results.length >= MOST_UNREAD) this.#lines?.pause();
  }

  #settle(result: Result): void {
    this.#counts[result.outcome]++;
    this.#results.push(result as Result<Req, Res>);
    this.#changed.ring();
  }

  /** A caller's function that throws ends the batch with its error. */
  #shown(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#failed(error);
    }
  }

  #fed(): void {
    if (this.#state !== 'feeding') return;
    this.#state = 'fed';
    this.#unblock?.();
    if (this.#opened) this.#opened.exchange.request.end();
    else if (!this.#isOpening) this.#over();
  }

  /** The answer is whole. What has no result never began: the service ended the batch before it, and may say why. */
  #ended(): void {
    const { code, message } = this.#broke ?? new KeylaneError('ERR_STOPPED', 'the service ended the batch before it');
    const never = new KeylaneError(code, message, { outcome: 'not_started' });
    if (this.#sent.size > 0) this.#why = message;
    for (const item of this.#sent.values()) this.#settle(refusedResult(never, item));
    this.#failure ??= this.#broke;
    this.#over();
  }

  /** The answer broke off: what has no result may have run. Where nothing could begin, there is no batch at all. */
  #lost(error: KeylaneError): void {
    if (this.#state === 'over') return;
    this.#link.noted(error);
    const hasBegun = this.#lines !== undefined || error.outcome === 'unknown';
    const isCanceled = error.code === 'ERR_CANCELED';
    if (hasBegun || isCanceled) {
      for (const item of this.#sent.values()) this.#settle(refusedResult(error, item));
      if (!isCanceled && !this.#isExhausted) this.#failure ??= error;
    } else this.#failure ??= error;
    this.#over();
  }

  #failed(error: unknown): void {
    if (this.#state === 'over') return;
    this.#failure ??= error;
    const canceled = new KeylaneError('ERR_CANCELED', 'the batch was ended by an error');
    for (const item of this.#sent.values()) this.#settle(refusedResult(canceled, item));
    this.#over();
  }

  #over(): void {
    if (this.#state === 'over') return;
    const isFeeding = this.#state === 'feeding';
    this.#state = 'over';
    this.#sent.clear();
    this.#unblock?.();
    this.#opened?.exchange.request.destroy();
    this.#opened?.close();
    if (isFeeding && !this.#isExhausted) void letGo(this.#iterator);
    this.#changed.ring();
  }
}

/** What a service does with batches of its journal, or with single requests, and not over one connection. */
function refuseWhatIsKept({
  journal,
  cache,
  invalidates,
}: Pick<BatchOptions, 'journal' | 'cache' | 'invalidates'>): void {
  if (journal)
    throw new KeylaneError(
      'ERR_INPUT',
      '`journal` is not for `batch` of a client: `batches.submit` makes a batch that is kept',
    );
  const name = cache ? 'cache' : invalidates ? 'invalidates' : undefined;
  if (name)
    throw new KeylaneError('ERR_INPUT', `\`${name}\` is not for \`batch\` of a client: \`run\` and \`result\` take it`);
}

type Step<Req> = IteratorResult<Req, unknown>;

function iteratorOf<Req>(input: Iterable<Req> | AsyncIterable<Req>): Iterator<Req> | AsyncIterator<Req> {
  return Symbol.asyncIterator in input ? input[Symbol.asyncIterator]() : input[Symbol.iterator]();
}

/** The input is told that no more is wanted. What it says to that concerns nobody. */
async function letGo(iterator: Iterator<unknown> | AsyncIterator<unknown> | undefined): Promise<void> {
  try {
    await iterator?.return?.();
  } catch {}
}
