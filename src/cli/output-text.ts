import type { Chunk } from '../index.js';
import type { Paint } from './colors.js';
import type { HostResult, Item } from './item.js';
import { Lines } from './lines.js';
import { InOrder, type Output } from './output.js';
import type { Screen, Stream } from './screen.js';
import { visible } from './visible.js';

export interface TextOptions {
  /** `host: ` before each line. */
  prefix: boolean;
  paint: Record<Stream, Paint>;
}

/** Lines as they come, each with its host. A host's line is written when it is complete, so lines never mix. */
export class LiveText implements Output {
  readonly live = true;
  readonly #writer: LineWriter;
  readonly #begun = new Map<number, Record<Stream, Lines>>();

  constructor(screen: Screen, options: TextOptions) {
    this.#writer = new LineWriter(screen, options);
  }

  chunk(item: Item, { channel, data }: Chunk): void {
    let begun = this.#begun.get(item.index);
    if (begun === undefined) {
      begun = { out: new Lines(), err: new Lines() };
      this.#begun.set(item.index, begun);
    }
    const stream = channel === 'stderr' ? 'err' : 'out';
    this.#writer.write(stream, item, begun[stream].push(data));
  }

  result(item: Item): void {
    const begun = this.#begun.get(item.index);
    if (begun === undefined) return;
    this.#begun.delete(item.index);
    for (const stream of ['out', 'err'] as const) {
      const last = begun[stream].flush();
      if (last !== undefined) this.#writer.write(stream, item, [last]);
    }
  }

  end(): void {}
}

/** The same lines, but host by host, as they settle or in the order of the hosts. */
export class GatheredText implements Output {
  readonly live = false;
  readonly #writer: LineWriter;
  readonly #inOrder: InOrder<[Item, HostResult]> | undefined;

  constructor(screen: Screen, options: TextOptions, ordered: boolean) {
    this.#writer = new LineWriter(screen, options);
    this.#inOrder = ordered ? new InOrder(([item, result]) => this.#write(item, result)) : undefined;
  }

  chunk(): void {}

  result(item: Item, result: HostResult): void {
    if (this.#inOrder) this.#inOrder.put(item.index, [item, result]);
    else this.#write(item, result);
  }

  end(): void {}

  #write(item: Item, { response }: HostResult): void {
    if (response === undefined) return;
    if (response.stdout === undefined) {
      this.#writer.write('out', item, linesOf(JSON.stringify(response)));
      return;
    }
    this.#writer.write('out', item, linesOf(response.stdout));
    this.#writer.write('err', item, linesOf(response.stderr));
  }
}

/** Writes lines of hosts to the screen: as they are, or made safe to look at where it is a terminal. */
class LineWriter {
  readonly #screen: Screen;
  readonly #options: TextOptions;

  constructor(screen: Screen, options: TextOptions) {
    this.#screen = screen;
    this.#options = options;
  }

  write(stream: Stream, item: Item, lines: readonly Buffer[]): void {
    if (lines.length === 0) return;
    const prefix = this.#options.prefix
      ? this.#options.paint[stream](stream === 'out' ? 'cyan' : 'yellow', `${item.id}: `)
      : '';
    if (this.#screen.isTerminal(stream)) {
      this.#screen.write(stream, lines.map((line) => `${prefix}${shown(line)}\n`).join(''));
    } else {
      const before = Buffer.from(prefix);
      this.#screen.write(stream, Buffer.concat(lines.flatMap((line) => [before, line, NEWLINE])));
    }
  }
}

const NEWLINE = Buffer.from('\n');

function linesOf(output: string | Buffer): Buffer[] {
  const lines = new Lines();
  const complete = lines.push(Buffer.from(output));
  const last = lines.flush();
  return last === undefined ? complete : [...complete, last];
}

function shown(line: Buffer): string {
  return visible(line.toString().replace(/\r$/, ''));
}
