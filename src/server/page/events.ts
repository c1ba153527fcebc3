import { byId, el, KeyedList, type Row, show } from './dom.js';
import { clockTime, span } from './figures.js';
import type { LoggedEvent } from './shapes.js';
import { visible } from './text.js';

const MOST = 100;

/** How each kind is told, and how grave it is. */
const WORDS: Readonly<Record<string, { words: string; level: 'ok' | 'warn' | 'bad' }>> = {
  breaker_open: { words: 'breaker open', level: 'warn' },
  breaker_closed: { words: 'breaker closed', level: 'ok' },
  lease_leaked: { words: 'lease leaked', level: 'warn' },
  lease_returned: { words: 'leaked lease returned', level: 'ok' },
  shard_blocked: { words: 'shard blocked', level: 'bad' },
  shard_died: { words: 'shard died', level: 'bad' },
  shard_serving: { words: 'shard serves', level: 'ok' },
  shard_degraded: { words: 'shard cannot be started', level: 'bad' },
  key_quarantined: { words: 'key quarantined', level: 'bad' },
  key_moved: { words: 'key moved', level: 'ok' },
  memory_high: { words: 'memory high', level: 'bad' },
  memory_well: { words: 'memory well again', level: 'ok' },
  cache_failed: { words: 'cache on disk failed', level: 'bad' },
  token_refused: { words: 'access token refused', level: 'warn' },
  token_unstored: { words: 'refresh token not stored', level: 'bad' },
  tokens_unshared: { words: 'tokens not shared', level: 'warn' },
};

/** What the engine told of itself, the last first. */
export class Events {
  readonly #rows = new KeyedList<LoggedEvent>(byId('event-rows'), ({ seq }) => String(seq), eventRow);
  #events: readonly LoggedEvent[] = [];

  /** The number of the last one; 0: there was none. */
  get last(): number {
    return this.#events[0]?.seq ?? 0;
  }

  /** All that the service knows, the oldest first: it may be another one than before, which counts from 1 again. */
  begin(events: readonly LoggedEvent[]): void {
    this.#rows.update([]);
    this.#events = [];
    this.add(events);
  }

  /** Those that came after the last one. */
  add(events: readonly LoggedEvent[]): void {
    const later = events.filter(({ seq }) => seq > this.last);
    this.#events = [...later.reverse(), ...this.#events].slice(0, MOST);
    this.#rows.update(this.#events);
    show(byId('event-rows'), this.#events.length > 0);
    show(byId('events-empty'), this.#events.length === 0);
  }
}

function eventRow({ at, event }: LoggedEvent): Row<LoggedEvent> {
  const { type, shard, key, ...rest } = event;
  const { words, level } = WORDS[type] ?? { words: type.replaceAll('_', ' '), level: 'warn' };
  const about = Object.entries(rest)
    .filter(([name]) => name !== 'stack')
    .map(([name, value]) => told(name, value));
  const element = el(
    'li',
    {},
    el('time', { datetime: new Date(at).toISOString(), text: clockTime(at) }),
    el(
      'span',
      { class: 'what' },
      el('span', { class: 'state', 'data-level': level, text: words }),
      ...(key === undefined ? [] : [' ', el('code', { text: visible(key) })]),
    ),
    el('span', { class: 'aside', text: shard === undefined ? '' : `shard ${shard}` }),
    ...(about.length > 0 ? [el('span', { class: 'more', text: visible(about.join(', ')) })] : []),
  );
  return { element, update: () => {} };
}

/** `forMs: 30000` as `for 30 s`, `failures: 5` as `failures 5`, a message as it is. */
function told(name: string, value: unknown): string {
  if (name === 'message') return String(value);
  if (name === 'what') return String(value).replaceAll('_', ' ');
  const time = /^(.*)Ms$/.exec(name);
  if (time && typeof value === 'number') return `${time[1]} ${span(value)}`;
  return `${name} ${String(value)}`;
}
