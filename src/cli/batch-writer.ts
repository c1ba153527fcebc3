import { lineOf, type Result } from '../index.js';
import { Bits, type Line, OrderedLines } from './batch-ordered.js';
import { notOurs, type OutFile } from './batch-out.js';
import { answerOf, resultItem } from './item.js';
import type { Output } from './output.js';
import type { Screen } from './screen.js';

/** Where the journal's lines are read again. */
export interface KeptLines {
  /** How many there were when this process began. */
  readonly settled: number;
  /** In the order in which they were settled, without the first so many. */
  after(count: number): AsyncIterable<Line>;
  /** In the order of the input, from an index on: all before it have one. */
  from(index: number): AsyncIterable<Line>;
}

export interface BatchWriterOptions {
  ordered: boolean;
  /** Undefined where nothing that was written can be read again, as with stdout. */
  file: OutFile | undefined;
  /** Undefined without a journal. */
  kept: KeptLines | undefined;
  /** Instead of lines of JSON. */
  text: Output | undefined;
}

/**
 * Writes results. A file has what the journal has, each line once, whatever ended the processes that wrote it; stdout what
 * is new.
 */
export class BatchWriter {
  readonly #screen: Screen;
  readonly #options: BatchWriterOptions;
  #ordered: OrderedLines | undefined;
  /** Of the journal's lines, as they were settled, those that are written or never will be. */
  #passed: number;

  constructor(screen: Screen, options: BatchWriterOptions) {
    this.#screen = screen;
    this.#options = options;
    this.#passed = options.file ? options.file.lines : (options.kept?.settled ?? 0);
  }

  /** Before the first result: brings a file up to what the journal has. Throws a UsageError where it is not the batch's. */
  async begin(): Promise<void> {
    const { ordered, file, kept, text } = this.#options;
    if (text) return;
    if (file && kept) await this.#checkLast(file, kept);
    await file?.cut();
    if (ordered) {
      const skip = !file && kept && kept.settled > 0 ? await indexesOf(kept) : undefined;
      const readFrom = kept && ((index: number) => kept.from(index));
      this.#ordered = new OrderedLines((line) => this.#write(line), { next: file?.lines ?? 0, readFrom, skip });
    }
    if (file && kept && kept.settled > 0) await this.complete();
  }

  async result(result: Result): Promise<void> {
    const { text } = this.#options;
    if (text) {
      await text.result(resultItem(result), answerOf(result));
      await this.#screen.ready();
    } else if (this.#ordered) await this.#ordered.put(result.index, lineOf(result));
    else await this.#write(lineOf(result));
  }

  /** Writes what the journal has and nobody handed out. */
  async complete(): Promise<void> {
    const { kept } = this.#options;
    if (!kept || this.#options.text) return;
    if (this.#ordered) await this.#ordered.readBack();
    else for await (const { line } of kept.after(this.#passed)) await this.#write(line);
  }

  end(): void {
    this.#options.text?.end();
  }

  async #write(line: string): Promise<void> {
    this.#passed++;
    this.#screen.write('out', `${line}\n`);
    await this.#screen.ready();
  }

  async #checkLast({ path, lines, last, torn }: OutFile, kept: KeptLines): Promise<void> {
    if (last === undefined && torn === undefined) return;
    const at = Math.max(lines - 1, 0);
    for await (const { line } of this.#options.ordered ? kept.from(at) : kept.after(at)) {
      if (last === undefined ? line.startsWith(torn!) : isSame(last, line)) return;
      break;
    }
    throw notOurs(path);
  }
}

async function indexesOf(kept: KeptLines): Promise<Bits> {
  const known = new Bits();
  let count = 0;
  for await (const { index } of kept.after(0)) {
    known.add(index);
    if (++count === kept.settled) break;
  }
  return known;
}

/** What a peer said at length may be dropped from the journal, while the file has it. */
function isSame(one: string, other: string): boolean {
  return one === other || withoutAnswer(one) === withoutAnswer(other);
}

function withoutAnswer(line: string): string {
  try {
    const { response, error, dropped, history, ...rest } = JSON.parse(line) as Record<string, unknown>;
    return JSON.stringify(rest);
  } catch {
    return line;
  }
}
