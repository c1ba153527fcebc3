import type { Clock, Engine } from '../../index.js';
import type { Timer } from '../../util/clock.js';
import { type History, Ring } from '../history.js';
import type { App } from '../parts.js';
import { versionHere } from '../version.js';
import type { HttpMeter, HttpStats } from './http.js';
import { Lately } from './lately.js';
import { ProcessVitals } from './process.js';
import type { ServiceStats } from './stats.js';

/** One sample a second: enough for a curve, and cheap enough to be taken always. */
const SAMPLE_MS = 1_000;

export interface MonitorHost {
  readonly engine: Pick<Engine, 'stats'>;
  readonly clock: Clock;
  readonly http: HttpMeter;
  /** Live answers. */
  streams(): { open: number; dropped: number };
  wallNow?: () => number;
}

/**
 * Looks at everything once a second, for all who want to know: the history keeps a row of it, and each sample is handed to
 * whoever hears. Who asks in between gets a fresh one.
 */
export class Monitor {
  readonly version: string;
  /** The last of those that are taken once a second. */
  last: ServiceStats | undefined = undefined;
  readonly #host: MonitorHost;
  readonly #vitals: ProcessVitals;
  readonly #startedAt: number;
  readonly #wallNow: () => number;
  readonly #heard = new Set<(sample: ServiceStats) => void>();
  #ring: Ring | undefined = undefined;
  #lately = new Lately();
  #asked: Promise<ServiceStats> | undefined = undefined;
  #timer: Timer | undefined = undefined;
  #due = 0;
  #stopped = false;

  constructor(host: MonitorHost) {
    this.#host = host;
    this.version = versionHere();
    this.#vitals = new ProcessVitals(host.clock);
    this.#wallNow = host.wallNow ?? Date.now;
    this.#startedAt = host.clock.now();
  }

  /** It begins when the app is ready, and ends when the app is closed. */
  watch(app: App): void {
    app.addHook('onReady', (done) => {
      this.#vitals.start();
      this.#due = this.#host.clock.now();
      this.#arm();
      done();
    });
    app.addHook('onClose', () => {
      this.#stopped = true;
      this.#timer?.cancel();
      this.#vitals.stop();
    });
  }

  /** As it is now. Asked for twice in one turn, it is looked at once. */
  stats(): Promise<ServiceStats> {
    this.#asked ??= this.#look().finally(() => {
      this.#asked = undefined;
    });
    return this.#asked;
  }

  history(most?: number): History {
    return this.#ring?.read(most) ?? { t: [], series: {} };
  }

  /** Calls with each sample; what comes back ends that. */
  hear(call: (sample: ServiceStats) => void): () => void {
    this.#heard.add(call);
    return () => this.#heard.delete(call);
  }

  /** On a grid of whole seconds since the start; what was missed by a late loop is left out. */
  #arm(): void {
    const { clock } = this.#host;
    const now = clock.now();
    this.#due = Math.max(this.#due + SAMPLE_MS, now);
    this.#timer = clock.timer(this.#due - now, () => void this.#sample());
  }

  async #sample(): Promise<void> {
    // An engine that is closed meanwhile may not say any more.
    const stats = await this.stats().catch(() => undefined);
    if (this.#stopped) return;
    this.#arm();
    if (!stats) return;
    const sample = { ...stats, lately: this.#lately.turn(stats) };
    this.last = sample;
    this.#keep(sample);
    for (const call of this.#heard) call(sample);
  }

  #keep({ at, lately, process, http, engine }: ServiceStats): void {
    const busy = engine.shards.map((shard, number) => [`busy${number}`, shard.busy] as const);
    this.#ring ??= new Ring([...SERIES, ...busy.map(([name]) => name)]);
    this.#ring.add(at, {
      throughput: lately.perSecond,
      failed: lately.notOkPerSecond,
      refused: lately.refusedPerSecond,
      p50: lately.p50Ms ?? undefined,
      p95: lately.p95Ms ?? undefined,
      p99: lately.p99Ms ?? undefined,
      inFlight: engine.inFlight,
      queued: engine.queued,
      connections: engine.shards.reduce((sum, { inside }) => sum + connectionsOf(inside?.connections), 0),
      rssMb: process.rssBytes / 1_048_576,
      lagMs: process.loopLag.maxMs,
      busy: process.busy,
      httpInFlight: http.inFlight,
      streams: http.streams,
      ...Object.fromEntries(busy),
    });
  }

  async #look(): Promise<ServiceStats> {
    const { engine, http, clock, streams } = this.#host;
    const stats = await engine.stats();
    const { open, dropped } = streams();
    const httpStats: HttpStats = { ...http.stats(), streams: open, dropped };
    return {
      at: this.#wallNow(),
      version: this.version,
      uptimeMs: Math.round(clock.now() - this.#startedAt),
      lately: this.#lately.last,
      process: this.#vitals.read(),
      http: httpStats,
      engine: stats,
    };
  }
}

/** Columns of the history; `busy<shard>` come after them. Times are milliseconds, rates are per second. */
const SERIES = [
  'throughput',
  'failed',
  'refused',
  'p50',
  'p95',
  'p99',
  'inFlight',
  'queued',
  'connections',
  'rssMb',
  'lagMs',
  'busy',
  'httpInFlight',
  'streams',
] as const;

function connectionsOf(states: Readonly<Record<string, number>> | undefined): number {
  return Object.values(states ?? {}).reduce((sum, count) => sum + count, 0);
}
