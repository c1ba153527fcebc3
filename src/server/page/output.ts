import { el, setText, show } from './dom.js';
import { counted } from './figures.js';
import { Lines } from './text.js';

/** Lines that are kept; of more the first ones go. */
const MOST_LINES = 5_000;

interface Line {
  from: string;
  text: string;
  kind: string;
}

/**
 * What a peer said, line by line. It is drawn once a frame, however much comes; it stays at its end unless somebody has
 * scrolled away from there.
 */
export class Output {
  readonly element: HTMLElement;
  readonly #list = el('div');
  readonly #open = el('div');
  readonly #dropped = el('p', { class: 'dropped' });
  readonly #channels = new Map<string, Lines>();
  #waiting: Line[] = [];
  #shown = 0;
  #lost = 0;
  #frame = 0;

  constructor(label: string, names = '') {
    this.element = el('div', { class: `output ${names}`, role: 'region', 'aria-label': label, tabindex: '0' });
    this.element.append(this.#dropped, this.#list, this.#open);
    show(this.#dropped, false);
  }

  get isEmpty(): boolean {
    return this.#shown === 0 && this.#waiting.length === 0;
  }

  /** A piece of a channel, cut anywhere. */
  write(channel: string, piece: string): void {
    let lines = this.#channels.get(channel);
    if (!lines) {
      lines = new Lines();
      this.#channels.set(channel, lines);
    }
    for (const text of lines.push(piece)) this.line(channel, text, channel);
    this.#drawSoon();
  }

  /** A line of its own: `text` is ready to be shown. */
  line(from: string, text: string, kind: string): void {
    this.#waiting.push({ from, text, kind });
    if (this.#waiting.length > 2 * MOST_LINES) {
      this.#lost += this.#waiting.length - MOST_LINES;
      this.#waiting = this.#waiting.slice(-MOST_LINES);
    }
    this.#drawSoon();
  }

  /** No more comes: the last lines may have no end. */
  end(): void {
    for (const [channel, lines] of this.#channels) for (const text of lines.end()) this.line(channel, text, channel);
    this.#draw();
  }

  #drawSoon(): void {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const { element } = this;
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 24;
    const lines = this.#waiting.slice(-MOST_LINES);
    this.#lost += this.#waiting.length - lines.length;
    this.#waiting = [];
    const over = this.#shown + lines.length - MOST_LINES;
    for (let i = 0; i < over; i++) this.#list.firstElementChild?.remove();
    if (over > 0) this.#lost += over;
    this.#shown += lines.length - Math.max(0, over);
    this.#list.append(...lines.map(lineOf));
    // A prompt, a bar that grows: what has no end yet is shown as far as it is.
    const open = [...this.#channels].map(([from, { open: text }]) => ({ from, text, kind: `${from} open` }));
    this.#open.replaceChildren(...open.filter(({ text }) => text !== '').map(lineOf));
    show(this.#dropped, this.#lost > 0);
    setText(this.#dropped, `${counted(this.#lost, 'earlier line')} not shown`);
    if (atEnd) element.scrollTop = element.scrollHeight;
  }
}

function lineOf({ from, text, kind }: Line): HTMLElement {
  return el(
    'div',
    { class: `line ${kind}` },
    el('span', { class: 'from', text: from }),
    el('span', { class: 'said', text }),
  );
}
