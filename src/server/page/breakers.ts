import { byId, el, KeyedList, type Row, setText, show } from './dom.js';
import { counted, span } from './figures.js';
import type { LoggedEvent } from './shapes.js';
import { visible } from './text.js';

interface OpenBreaker {
  key: string;
  what: string;
  message: string;
  failures: number;
  openedAt: number;
  /** When it lets one try again. */
  until: number;
}

/** When its time is over the next request may try; where none comes, nobody tells that it is closed. */
const FORGOTTEN_MS = 60_000;

/** The peers that nobody may try for now. Known by what the engine tells as it opens and closes them. */
export class Breakers {
  readonly #rows = new KeyedList<OpenBreaker>(byId('breaker-rows'), ({ key, what }) => `${what} ${key}`, breakerRow);
  readonly #open = new Map<string, OpenBreaker>();

  /** Keys that the shards let alone, where they say so. */
  update(stopped: number, now: number): void {
    for (const [name, { until }] of this.#open) if (until < now - FORGOTTEN_MS) this.#open.delete(name);
    this.#show(now);
    setText(byId('breakers-note'), stopped > 0 ? `${counted(stopped, 'key')} let alone` : '');
  }

  hear({ at, event }: LoggedEvent, now: number): void {
    if (event.type !== 'breaker_open' && event.type !== 'breaker_closed') return;
    const { key = '', what, forMs, failures, message } = event as unknown as OpenBreaker & { forMs: number };
    const name = `${what} ${key}`;
    if (event.type === 'breaker_closed') this.#open.delete(name);
    else this.#open.set(name, { key, what, message, failures, openedAt: at, until: at + forMs });
    this.#show(now);
  }

  #show(now: number): void {
    const open = [...this.#open.values()].sort((one, other) => other.openedAt - one.openedAt);
    this.#rows.update(open.map((one) => ({ ...one, until: one.until - now })));
    show(byId('breakers-empty'), open.length === 0);
  }
}

function breakerRow({ key, what, message, failures }: OpenBreaker): Row<OpenBreaker> {
  const left = el('span', { class: 'aside' });
  const more = el('span', { class: 'more' });
  const element = el(
    'li',
    {},
    el('span', { class: 'state', 'data-level': 'bad', text: what === 'log_in' ? 'log-in' : 'connect' }),
    el('code', { class: 'what', text: visible(key) }),
    left,
    more,
  );
  const update = (breaker: OpenBreaker) => {
    setText(left, breaker.until > 0 ? `${span(breaker.until)} more` : 'next may try');
    setText(more, visible(`${breaker.failures} failures: ${breaker.message}`));
  };
  update({ key, what, message, failures, openedAt: 0, until: 0 });
  return { element, update };
}
