import { randomUUID } from 'node:crypto';
import { checkCallOptions, checkIterable, checkJob, JOBS_OPTIONS } from '../call-options.js';
import { KeylaneError } from '../errors.js';
import type { BatchLine, BatchOptions, BatchReport, Job, Outcome } from '../index.js';
import type { ToldBatch } from '../server/batches/told.js';
import { deferred } from '../util/deferred.js';
import { jsonOf } from './answer.js';
import { batchQuery, PLAIN_OPTIONS } from './batch-query.js';
import { requestJson } from './json.js';
import { LineReader } from './line-reader.js';
import type { ServiceLink } from './link.js';
import { listIn } from './lists.js';
import { isOutcome } from './problem.js';

/** How a batch that the service keeps is run; what is not said is as in the library. */
export interface SubmitOptions
  extends Omit<
    BatchOptions<never>,
    | 'signal'
    | 'onChunk'
    | 'onStart'
    | 'each'
    | 'labels'
    | 'journal'
    | 'id'
    | 'resume'
    | 'settings'
    | 'cache'
    | 'invalidates'
    | 'traceparent'
  > {
  /** Of jobs that name none. @default 'ssh' */
  driver?: string;
  labels?: readonly string[];
  /** What names this batch: given twice, there is one batch. @default made up for each call */
  idempotencyKey?: string;
  /** Calls off that the jobs are handed over; not a batch that was. */
  signal?: AbortSignal;
}

/** How results are read. */
export interface KeptResultsOptions {
  /** In the order of the input. Not with `follow`. @default false */
  ordered?: boolean;
  /** Those that there are, then each as it comes, until the batch has ended. @default false */
  follow?: boolean;
  /** Only these. @default all */
  outcomes?: readonly Outcome[];
  /** So many are passed over: whoever was cut off has them. @default 0 */
  skip?: number;
  signal?: AbortSignal;
}

const SUBMIT_OPTIONS = new Set([...PLAIN_OPTIONS, ...['waves', 'labels', 'driver', 'idempotencyKey', 'signal']]);
const RETRY_OPTIONS = new Set([...SUBMIT_OPTIONS, 'outcomes']);
RETRY_OPTIONS.delete('driver');
const NDJSON = 'application/x-ndjson';

/** The batches that a service keeps. */
export class ServiceBatches {
  readonly #link: ServiceLink;

  /** @internal */
  constructor(link: ServiceLink) {
    this.#link = link;
  }

  /**
   * Hands jobs over, however many, as fast as the service takes them, and resolves when it has all of them on disk: the
   * batch goes on without this client. Rejects with KeylaneError; with the same `idempotencyKey` it may be tried again, as
   * is done here with an array whose connection was lost.
   */
  async submit(jobs: Iterable<Job> | AsyncIterable<Job>, options: SubmitOptions = {}): Promise<ToldBatch> {
    checkIterable(jobs);
    checkSubmit(options, SUBMIT_OPTIONS);
    const keyed = { ...options, idempotencyKey: options.idempotencyKey ?? randomUUID() };
    try {
      return await this.#submit(jobs, keyed);
    } catch (error) {
      const isLost = error instanceof KeylaneError && error.code === 'ERR_CONNECTION_LOST';
      if (isLost && Array.isArray(jobs)) return this.#submit(jobs, keyed);
      throw error;
    }
  }

  async #submit(
    jobs: Iterable<Job> | AsyncIterable<Job>,
    options: SubmitOptions & { idempotencyKey: string },
  ): Promise<ToldBatch> {
    const { driver, idempotencyKey, signal, labels, ...rest } = options;
    const query = batchQuery(driver, rest, labels ? { labels: labels.join(',') } : {});
    const opened = await this.#link.open({
      method: 'POST',
      path: `/v1/batches?${query}`,
      headers: { 'content-type': NDJSON, 'idempotency-key': idempotencyKey },
      timeoutMs: 0,
      signal,
      runs: true,
      isIdempotent: false,
    });
    const { exchange } = opened;
    const { request } = exchange;
    // Ends the writing, too, where the service has answered before it has all.
    const answered = exchange.answered.then((answer) => jsonOf(exchange, answer, this.#link.options.maxAnswerBytes));
    const over = deferred<'over'>();
    const end = () => over.resolve('over');
    answered.then(end, end);
    try {
      let index = 0;
      for await (const job of jobs) {
        const line = jobLine(job, index++, driver);
        if (request.write(line)) continue;
        const drained = new Promise((resolve) => request.once('drain', resolve));
        if ((await Promise.race([drained, over.promise])) === 'over') break;
      }
      request.end();
      return (await answered) as ToldBatch;
    } catch (error) {
      request.destroy();
      throw this.#link.noted(error);
    } finally {
      opened.close();
    }
  }

  /** The newest first. */
  async list({ state, limit }: { state?: ToldBatch['state']; limit?: number } = {}): Promise<ToldBatch[]> {
    const query = new URLSearchParams();
    if (state !== undefined) query.set('state', state);
    if (limit !== undefined) query.set('limit', String(limit));
    return listIn<ToldBatch>(await this.#link.read(`/v1/batches?${query}`), 'batches');
  }

  /** Rejects with `ERR_NOT_FOUND` where there is none that this token may see, as the others do. */
  async show(id: string): Promise<ToldBatch> {
    return (await this.#link.read(pathOf(id))) as ToldBatch;
  }

  /** Its figures: the rate, the slowest keys, the reasons why requests are not `ok`. */
  async report(id: string): Promise<BatchReport> {
    return (await this.#link.read(`${pathOf(id)}/report`)) as BatchReport;
  }

  /** Its results, as the journal has them. The slower the reader, the less is sent. */
  async *results(id: string, options: KeptResultsOptions = {}): AsyncGenerator<BatchLine, void, undefined> {
    const { ordered, follow, outcomes, skip, signal } = options;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({ ordered, follow, skip }))
      if (value !== undefined) query.set(name, String(value));
    if (outcomes) query.set('outcomes', outcomes.join(','));
    const opened = await this.#link.open({
      method: 'GET',
      path: `${pathOf(id)}/results?${query}`,
      headers: { accept: `${NDJSON}, application/problem+json` },
      timeoutMs: 0,
      signal,
      runs: false,
      isIdempotent: true,
    });
    const lines = new LineReader(opened.exchange, this.#link.options.maxAnswerBytes);
    try {
      for await (const { line, text } of lines) {
        const { index, outcome } = line;
        if (typeof index === 'number' && isOutcome(outcome)) yield { index, outcome, line: text, commit: undefined };
      }
    } catch (error) {
      throw this.#link.noted(error);
    } finally {
      opened.exchange.request.destroy();
      opened.close();
    }
  }

  /** Ends it for good: what has not begun never will. */
  async cancel(id: string): Promise<ToldBatch> {
    return this.#post(`${pathOf(id)}/cancel`);
  }

  /** Starts nothing more until `resume`. */
  async pause(id: string): Promise<ToldBatch> {
    return this.#post(`${pathOf(id)}/pause`);
  }

  /** Goes on with one that is paused or was interrupted. */
  async resume(id: string): Promise<ToldBatch> {
    return this.#post(`${pathOf(id)}/resume`);
  }

  /** A batch of those that ended so. @default those that are `failed` or `not_started` */
  async retry(
    id: string,
    options: Omit<SubmitOptions, 'driver'> & { outcomes?: readonly Outcome[] } = {},
  ): Promise<ToldBatch> {
    checkSubmit(options, RETRY_OPTIONS);
    const { idempotencyKey = randomUUID(), signal, labels, outcomes, ...rest } = options;
    const more = { ...(outcomes && { outcomes: outcomes.join(',') }), ...(labels && { labels: labels.join(',') }) };
    const path = `${pathOf(id)}/retry?${batchQuery(undefined, rest, more)}`;
    return this.#post(path, { 'idempotency-key': idempotencyKey }, signal);
  }

  /** Removes it and all that is kept of it. */
  async remove(id: string): Promise<void> {
    await this.#link.change('DELETE', pathOf(id));
  }

  async #post(path: string, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<ToldBatch> {
    return (await this.#link.change('POST', path, headers, signal)) as ToldBatch;
  }
}

function pathOf(id: string): string {
  return `/v1/batches/${encodeURIComponent(id)}`;
}

/** Refused here where it can be: of what is handed over, the service would see a part first. */
function checkSubmit(options: object, known: ReadonlySet<string>): void {
  for (const name of Object.keys(options))
    if (!known.has(name))
      throw new KeylaneError('ERR_INPUT', `unknown option \`${name}\`: this call takes ${[...known].join(', ')}`);
  const { idempotencyKey: _, outcomes: __, ...rest } = options as Record<string, unknown>;
  checkCallOptions({ ...rest, journal: true }, JOBS_OPTIONS);
}

/** Throws `ERR_INPUT` that names the job: nothing of the batch is kept then. */
function jobLine(job: Job, index: number, driver = 'ssh'): string {
  try {
    checkJob(job, true);
    const { request, ...rest } = job;
    const own = JSON.stringify(rest);
    return `${own.slice(0, -1)}${own === '{}' ? '' : ','}"request":${requestJson(job.driver ?? driver, request)}}\n`;
  } catch (error) {
    const says = error instanceof Error ? error.message : String(error);
    throw new KeylaneError('ERR_INPUT', `job ${index}: ${says}`, { cause: error });
  }
}
