import { type Api, inWords } from './api.js';
import { Breakers } from './breakers.js';
import { Charts } from './charts.js';
import { ConnectionStates } from './connections.js';
import { byId, setText } from './dom.js';
import { Events } from './events.js';
import { type FeedState, follow } from './feed.js';
import { clockTime, span } from './figures.js';
import { HotKeys } from './hot-keys.js';
import { Overview } from './overview.js';
import type { History, LoggedEvent, Stats } from './shapes.js';
import { Shards } from './shards.js';
import { every } from './time.js';

/** The service tells its figures each second. */
const SILENT_MS = 5_000;
const EVENTS_MS = 2_000;

/**
 * Shows the service's figures for as long as somebody looks. A page that is out of sight asks for nothing: a browser opens
 * six connections to a service at most, for all its tabs, and a stream takes one for itself.
 */
export function watch(api: Api, signal: AbortSignal): void {
  const panels = new Panels(api, signal);
  let looking: AbortController | undefined;
  const turn = () => {
    looking?.abort();
    looking = undefined;
    if (document.hidden || signal.aborted) return;
    looking = new AbortController();
    look(api, panels, looking.signal);
  };
  document.addEventListener('visibilitychange', turn, { signal });
  signal.addEventListener('abort', turn);
  turn();
}

function look(api: Api, panels: Panels, signal: AbortSignal): void {
  let isBehind = true;
  /** What is now, and what was missed: the first event of the stream comes only with the next second. */
  const begin = async () => {
    const [history, stats, { events }] = await Promise.all([
      api.json<History>('/v1/stats/history', { signal }),
      api.json<Stats>('/v1/stats', { signal }),
      api.json<{ events: LoggedEvent[] }>('/v1/events', { signal }),
    ]);
    panels.begin(history, events);
    panels.show(stats);
  };
  follow(api, '/v1/stats', {
    signal,
    silentMs: SILENT_MS,
    onState: (state) => {
      if (state.state === 'waiting') isBehind = true;
      if (state.state === 'live' && isBehind) {
        isBehind = false;
        // Where it cannot be had, the next event tells.
        begin().catch(() => {});
      }
      panels.showLink(state);
    },
    onEvent: ({ data }) => {
      panels.show(JSON.parse(data) as Stats);
      return false;
    },
  }).catch((error: unknown) => {
    if (!signal.aborted) panels.showLink({ state: 'waiting', seconds: 0, why: inWords(error) });
  });
  void every(EVENTS_MS, signal, async () => {
    const path = `/v1/events?since=${panels.lastEvent}`;
    // The link says it where the service is away.
    const told = await api.json<{ events: LoggedEvent[] }>(path, { signal }).catch(() => undefined);
    if (told && !isBehind) panels.tell(told.events);
  });
}

/** All that is made of the service's figures. */
class Panels {
  readonly #charts = new Charts();
  readonly #parts = [new Overview(), new Shards(), new ConnectionStates(), new HotKeys()];
  readonly #breakers: Breakers;
  readonly #events = new Events();
  #shownAt = 0;

  constructor(api: Api, signal: AbortSignal) {
    this.#breakers = new Breakers(api, signal);
  }

  get lastEvent(): number {
    return this.#events.last;
  }

  /** What was before. */
  begin(history: History, events: readonly LoggedEvent[]): void {
    this.#charts.begin(history);
    this.#events.begin(events);
  }

  show(stats: Stats): void {
    this.#shownAt = stats.at;
    setText(byId('about'), `${stats.version} · up ${span(stats.uptimeMs)}`);
    this.#charts.add(stats);
    for (const part of this.#parts) part.update(stats);
    this.#breakers.update(stats.engine.shards.reduce((sum, { inside }) => sum + (inside?.stopped ?? 0), 0));
  }

  tell(events: readonly LoggedEvent[]): void {
    this.#events.add(events);
  }

  showLink(state: FeedState): void {
    byId('link').dataset.state = state.state;
    // Counting down is for the eye: what is read out is said once.
    const isWaiting = state.state === 'waiting';
    const words = state.state === 'live' ? 'live' : 'connecting…';
    setText(byId('link-text'), isWaiting ? `not connected: ${state.why}` : words);
    const again = isWaiting && state.seconds > 0 ? `again in ${state.seconds} s` : '';
    // What is shown is old from here on.
    const asOf = isWaiting && this.#shownAt > 0 ? `the figures are of ${clockTime(this.#shownAt)}` : '';
    setText(byId('link-wait'), [again, asOf].filter(Boolean).join(' · '));
  }
}
