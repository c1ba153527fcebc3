import { createHash } from 'node:crypto';
import { foldHosts } from '../index.js';
import type { HostResult, Item } from './item.js';
import type { Output } from './output.js';
import type { Screen, Stream } from './screen.js';
import { visible } from './visible.js';

const RULE = '---------------';

interface Group {
  hosts: string[];
  firstIndex: number;
  output: Buffer;
}

/**
 * At the end, each different output once, under the hosts that gave it, as `clush -b` does. Only different outputs are
 * held in memory. stdout and stderr are folded apart.
 */
export class FoldedText implements Output {
  readonly live = false;
  readonly #screen: Screen;
  readonly #ordered: boolean;
  readonly #groups: Record<Stream, Map<string, Group>> = { out: new Map(), err: new Map() };

  /** `ordered`: by the first host of each output; else the most common output first. */
  constructor(screen: Screen, ordered: boolean) {
    this.#screen = screen;
    this.#ordered = ordered;
  }

  chunk(): void {}

  result(item: Item, { response }: HostResult): void {
    if (response === undefined) return;
    this.#add('out', item, Buffer.from(response.stdout));
    this.#add('err', item, Buffer.from(response.stderr));
  }

  end(): void {
    for (const stream of ['out', 'err'] as const) {
      const groups = [...this.#groups[stream].values()].sort((a, b) => {
        return (this.#ordered ? 0 : b.hosts.length - a.hosts.length) || a.firstIndex - b.firstIndex;
      });
      for (const group of groups) this.#write(stream, group);
    }
  }

  #add(stream: Stream, { id, index }: Item, output: Buffer): void {
    if (output.length === 0) return;
    const digest = createHash('sha256').update(output).digest('base64');
    const group = this.#groups[stream].get(digest);
    if (group === undefined) {
      this.#groups[stream].set(digest, { hosts: [id], firstIndex: index, output });
    } else {
      group.hosts.push(id);
      group.firstIndex = Math.min(group.firstIndex, index);
    }
  }

  #write(stream: Stream, { hosts, output }: Group): void {
    const count = hosts.length > 1 ? ` (${hosts.length})` : '';
    this.#screen.write(stream, `${RULE}\n${foldHosts(hosts)}${count}\n${RULE}\n`);
    if (this.#screen.isTerminal(stream)) {
      const lines = output
        .toString()
        .replace(/\r?\n$/, '')
        .split(/\r?\n/);
      this.#screen.write(stream, `${lines.map(visible).join('\n')}\n`);
    } else {
      this.#screen.write(stream, output);
      if (output.at(-1) !== 0x0a) this.#screen.write(stream, '\n');
    }
  }
}
