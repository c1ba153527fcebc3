import { el, setText } from './dom.js';
import { count } from './figures.js';

interface Kind {
  kind: string;
  name: string;
}

/** A whole and its parts: a bar for the eye, and the figures themselves. */
export class Parts {
  readonly bar: HTMLElement;
  readonly list: HTMLElement;
  readonly #kinds: readonly { kind: string; name: string; seg: HTMLElement; value: HTMLElement }[];

  constructor(label: string, kinds: readonly Kind[]) {
    this.#kinds = kinds.map(({ kind, name }) => ({
      kind,
      name,
      seg: el('span', { class: 'seg', 'data-kind': kind }),
      value: el('span', { class: 'value', text: '0' }),
    }));
    this.bar = el('div', { class: 'stack', role: 'img', 'aria-label': label }, ...this.#kinds.map(({ seg }) => seg));
    this.list = el(
      'ul',
      { class: 'parts' },
      ...this.#kinds.map(({ kind, name, value }) =>
        el(
          'li',
          {},
          el('span', { class: 'swatch seg', 'data-kind': kind, 'aria-hidden': 'true' }),
          el('span', { text: name }),
          value,
        ),
      ),
    );
  }

  /** By kind. `whole`: what the bar is of, where that is more than the sum. */
  update(values: Readonly<Record<string, number>>, whole = 0): void {
    const sum = this.#kinds.reduce((total, { kind }) => total + (values[kind] ?? 0), 0);
    const most = Math.max(sum, whole);
    for (const { kind, seg, value } of this.#kinds) {
      const part = values[kind] ?? 0;
      seg.hidden = part === 0;
      seg.style.width = `${most > 0 ? (100 * part) / most : 0}%`;
      setText(value, count(part));
    }
    this.bar.setAttribute(
      'aria-label',
      this.#kinds.map(({ kind, name }) => `${name} ${count(values[kind] ?? 0)}`).join(', '),
    );
  }
}
