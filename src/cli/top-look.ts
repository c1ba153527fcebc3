import type { Client, History, LoggedEvent, ServiceStats, ToldBatch } from '../client/index.js';

/** A breaker that lets nobody try. */
export interface OpenBreaker {
  key: string;
  what: string;
  failures: number;
  message: string;
  /** Milliseconds of Unix time at which it lets one try again. */
  until: number;
}

/** All that is shown at once. */
export interface Look {
  stats: ServiceStats;
  history: History;
  /** Those that run. */
  batches: ToldBatch[];
  breakers: OpenBreaker[];
}

type Asked = Pick<Client, 'serviceStats' | 'history' | 'events'> & { batches: Pick<Client['batches'], 'list'> };

/** Samples of the history that are shown: two minutes. */
const SAMPLES = 120;
/** A breaker whose time is over so long ago is let be: the next request of its key may try. */
const FORGOTTEN_MS = 60_000;

/** Asks a service how it is. What breakers do it tells as it happens, so that is remembered between two looks. */
export class Looker {
  readonly #service: Asked;
  readonly #breakers = new Map<string, OpenBreaker>();
  #seq = 0;
  #uptimeMs = 0;

  constructor(service: Asked) {
    this.#service = service;
  }

  async look(): Promise<Look> {
    const service = this.#service;
    const [stats, history, batches, events] = await Promise.all([
      service.serviceStats(),
      service.history(SAMPLES),
      service.batches.list({ state: 'running', limit: 50 }),
      service.events(this.#seq),
    ]);
    // A service that was started anew counts from 1.
    if (stats.uptimeMs < this.#uptimeMs) this.#forget();
    this.#uptimeMs = stats.uptimeMs;
    for (const event of events) this.#hear(event);
    for (const [name, { until }] of this.#breakers) if (until + FORGOTTEN_MS < stats.at) this.#breakers.delete(name);
    return { stats, history, batches, breakers: [...this.#breakers.values()] };
  }

  #forget(): void {
    this.#seq = 0;
    this.#breakers.clear();
  }

  #hear({ seq, at, event }: LoggedEvent): void {
    this.#seq = Math.max(this.#seq, seq);
    if (event.type !== 'breaker_open' && event.type !== 'breaker_closed') return;
    const name = `${event.what} ${event.key}`;
    this.#breakers.delete(name);
    if (event.type === 'breaker_closed') return;
    const { key, what, failures, message, forMs } = event;
    this.#breakers.set(name, { key, what, failures, message, until: at + forMs });
  }
}
