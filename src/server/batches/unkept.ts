import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { type Batch, type Chunk, type JobsOptions, KeylaneError, lineOf, type Result } from '../../index.js';
import type { LiveWriter } from '../live-writer.js';
import type { Parts, Principal } from '../parts.js';
import { discard } from './body.js';
import { JobLines } from './job-lines.js';
import type { RunOptions } from './query.js';
import { within } from './within.js';

interface Unkept {
  principal: Principal;
  driver: string | undefined;
  options: RunOptions;
  /** Live output, too. */
  chunks: boolean;
  body: Readable;
  /** Of a line of the body, in bytes. */
  longestLine: number;
}

const DEFAULT_DRIVER = 'ssh';

/**
 * A batch without a journal: its jobs are read from the body while its results are written to the answer, each as fast as
 * the other side allows. It ends when all is settled; when the client goes, what is left of it is cut. What ends it early is
 * the last line: `{"error":{…}}`.
 */
export async function runUnkept(
  asked: Unkept,
  reply: FastifyReply,
  { engine, clock, live, stopping, tracing }: Parts,
): Promise<void> {
  const { principal, driver = DEFAULT_DRIVER, options, chunks, body, longestLine } = asked;
  const check = (of = driver, request: unknown) => principal.checkRequest(of, request);
  const gone = new AbortController();
  let lines: Lines | undefined;
  const jobs = new JobLines(body, { longest: longestLine, check });
  const batch = engine.batches.run(jobs, {
    ...(within(options, principal) as JobsOptions),
    driver,
    signal: gone.signal,
    ...(chunks && { onChunk: (index: number, chunk: Chunk) => lines?.add(chunkLine(index, chunk)) }),
  });
  const writer = live.lines(reply);
  lines = new Lines(writer);
  // From a client whose body has to wait nothing is read: that it has gone is seen when something is written to it.
  live.watch(writer, true);
  const leave = () => batch.drain();
  stopping.addEventListener('abort', leave);
  if (stopping.aborted) leave();
  writer.signal.addEventListener('abort', () => gone.abort(), { once: true });
  try {
    await write(batch, lines, writer, (result) => tracing.ofBatch({ driver, ...result }));
    await lines.flush();
    if (stopping.aborted && !jobs.isExhausted)
      throw new KeylaneError('ERR_CLOSED', 'the service is closing; what has no result was not run');
    writer.end();
  } catch (error) {
    await lines.flush();
    const { code, message } = error instanceof KeylaneError ? error : new KeylaneError('ERR_INPUT', String(error));
    writer.end(undefined, JSON.stringify({ error: { code, message } }));
  } finally {
    stopping.removeEventListener('abort', leave);
    void jobs.return();
    discard(body, clock);
  }
}

async function write(
  batch: Batch<unknown, unknown>,
  lines: Lines,
  writer: LiveWriter,
  settled: (result: Result) => void,
): Promise<void> {
  for await (const result of batch) {
    settled(result);
    if (!writer.isOpen) break;
    const full = lines.add(lineOf(result));
    if (full) await full;
  }
}

const FULL_BYTES = 65_536;

/** Lines of one turn of the event loop are one piece. */
class Lines {
  readonly #writer: LiveWriter;
  #lines: string[] = [];
  #length = 0;
  #room: Promise<void> | undefined = undefined;
  #isPlanned = false;

  constructor(writer: LiveWriter) {
    this.#writer = writer;
  }

  /** Where a promise comes back there is enough to read: wait for it. */
  add(line: string): Promise<void> | undefined {
    this.#lines.push(line);
    this.#length += line.length;
    if (this.#length >= FULL_BYTES) this.#write();
    else if (!this.#isPlanned) {
      this.#isPlanned = true;
      setImmediate(() => {
        this.#isPlanned = false;
        this.#write();
      });
    }
    return this.#room;
  }

  async flush(): Promise<void> {
    this.#write();
    await this.#room;
  }

  #write(): void {
    if (this.#lines.length === 0) return;
    const text = this.#lines.join('\n');
    this.#lines = [];
    this.#length = 0;
    const room = this.#writer.deliver(undefined, text);
    if (!room) return;
    const mine = room.then(() => {
      if (this.#room === mine) this.#room = undefined;
    });
    this.#room = mine;
  }
}

function chunkLine(index: number, { channel, data }: Chunk): string {
  const bytes = isUtf8(data) ? data.toString() : { base64: data.toString('base64') };
  return JSON.stringify({ index, channel, ...(typeof bytes === 'string' ? { data: bytes } : bytes) });
}
