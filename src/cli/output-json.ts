import { lineOf } from '../index.js';
import type { HostResult, Item } from './item.js';
import { InOrder, type Output } from './output.js';
import type { Screen } from './screen.js';

/** One line of JSON for each host, as it settles or in the order of the hosts. */
export class Ndjson implements Output {
  readonly live = false;
  readonly #screen: Screen;
  readonly #inOrder: InOrder<string> | undefined;

  constructor(screen: Screen, ordered: boolean) {
    this.#screen = screen;
    this.#inOrder = ordered ? new InOrder((line) => screen.write('out', line)) : undefined;
  }

  chunk(): void {}

  result(item: Item, result: HostResult): void {
    const text = `${line(item, result)}\n`;
    if (this.#inOrder) this.#inOrder.put(item.index, text);
    else this.#screen.write('out', text);
  }

  end(): void {}
}

/** The same records as one array, in the order of the hosts. */
export class Json implements Output {
  readonly live = false;
  readonly #screen: Screen;
  readonly #inOrder: InOrder<string>;
  #written = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
    this.#inOrder = new InOrder((text) => screen.write('out', `${this.#written++ === 0 ? '[' : ','}\n${text}`));
  }

  chunk(): void {}

  result(item: Item, result: HostResult): void {
    this.#inOrder.put(item.index, line(item, result));
  }

  end(): void {
    this.#screen.write('out', this.#written === 0 ? '[]\n' : '\n]\n');
  }
}

/** The same line as of a batch, for a host: its id is the host as typed. */
function line({ index, id, address }: Item, result: HostResult): string {
  return lineOf({ ...result, index, id, request: { host: address?.host ?? id } });
}
