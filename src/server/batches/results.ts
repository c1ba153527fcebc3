import type { FastifyReply } from 'fastify';
import { type BatchSummary, KeylaneError, type ResultsOptions } from '../../index.js';
import type { LiveWriter } from '../live-writer.js';
import type { Parts } from '../parts.js';
import type { ResultsQuery } from './query.js';
import type { ServiceBatches } from './service-batches.js';
import { told } from './told.js';

interface Asked {
  id: string;
  query: ResultsQuery;
  /** Server-sent events; else lines. */
  events: boolean;
  /** What the client has already. */
  skip: number;
}

const PROGRESS_MS = 1_000;
const FULL_BYTES = 65_536;

/**
 * Writes the results of a batch, those that it has or all until its end, as fast as they are read. With events each has the
 * count of those that were handed out as its id: a client that was cut off asks for what comes after the last one it had.
 */
export async function writeResults(
  asked: Asked,
  reply: FastifyReply,
  parts: Parts,
  batches: ServiceBatches,
): Promise<void> {
  const { live, log } = parts;
  const { follow = false } = asked.query;
  const writer = asked.events ? live.events(reply, { endless: follow }) : live.lines(reply, { endless: follow });
  const sending = new Sending(asked, writer, parts, batches);
  try {
    const summary = await sending.run();
    if (asked.events) writer.end('end', sending.toldOf(summary));
    else writer.end();
  } catch (error) {
    const { code, message } = error instanceof KeylaneError ? error : new KeylaneError('ERR_STORE_BUSY', String(error));
    log.error({ batch: asked.id, code, reason: message }, 'results could not be read');
    if (asked.events) writer.end('error', JSON.stringify({ code, message }));
    else writer.cut();
  }
}

/** What one client is sent of a batch. */
class Sending {
  readonly #asked: Asked;
  readonly #writer: LiveWriter;
  readonly #parts: Parts;
  readonly #batches: ServiceBatches;
  /** Of results that the client has. */
  #count: number;
  /** The last commit of which it has anything. */
  #commit: number | undefined = undefined;
  /** Those that never had a result in the journal were sent: nothing comes after them. */
  #isWhole = false;

  constructor(asked: Asked, writer: LiveWriter, parts: Parts, batches: ServiceBatches) {
    this.#asked = asked;
    this.#writer = writer;
    this.#parts = parts;
    this.#batches = batches;
    this.#count = asked.skip;
  }

  async run(): Promise<BatchSummary> {
    const { id, query } = this.#asked;
    if (!query.follow) {
      const summary = await this.#batches.summaries.show(id);
      await this.#send();
      return summary;
    }
    const { watch, left } = this.#batches.follow(id);
    try {
      return await this.#follow(watch);
    } finally {
      left();
    }
  }

  toldOf(summary: BatchSummary): string {
    const running = this.#batches.running(summary.id);
    return JSON.stringify(told(summary, running && { paused: running.isPaused }));
  }

  async #follow(watch: ReturnType<ServiceBatches['follow']>['watch']): Promise<BatchSummary> {
    const { clock } = this.#parts;
    const { id } = this.#asked;
    let told = Number.NEGATIVE_INFINITY;
    let last = '';
    for (;;) {
      const { version } = watch;
      const summary = await this.#batches.summaries.show(id);
      await this.#send();
      const isOver = summary.state !== 'running' && !(summary.state === 'interrupted' && this.#batches.isAwaited(id));
      if (isOver || this.#isWhole || !this.#writer.isOpen) return summary;
      let wait: number | undefined;
      if (this.#asked.events) {
        const progress = this.toldOf(summary);
        wait = told + PROGRESS_MS - clock.now();
        if (progress === last) wait = undefined;
        else if (wait <= 0) {
          await this.#writer.deliver('progress', progress);
          told = clock.now();
          last = progress;
          wait = undefined;
        }
      }
      await watch.next(version, wait, this.#writer.signal);
    }
  }

  /** Those that there are and the client has not. */
  async #send(): Promise<void> {
    const { id, query, events } = this.#asked;
    const { ordered = false, outcomes } = query;
    // As long as it has nothing of ours it is told by their number which it has.
    const from: ResultsOptions = this.#commit === undefined ? { skip: this.#count } : { after: this.#commit };
    let text: string[] = [];
    let length = 0;
    for await (const { line, commit } of this.#parts.engine.batches.results(id, { ordered, outcomes, ...from })) {
      this.#count++;
      if (commit === undefined) this.#isWhole = true;
      else this.#commit = commit;
      if (events) {
        await this.#writer.deliver(undefined, line, String(this.#count));
      } else {
        text.push(line);
        length += line.length;
        if (length > FULL_BYTES) {
          await this.#writer.deliver(undefined, text.join('\n'));
          text = [];
          length = 0;
        }
      }
      if (!this.#writer.isOpen) return;
    }
    if (text.length > 0) await this.#writer.deliver(undefined, text.join('\n'));
  }
}
