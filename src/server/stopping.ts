import type { Clock } from '../index.js';
import type { ResolvedServiceOptions } from './options.js';
import type { App, Parts } from './parts.js';

/** Milliseconds in which what was cut may still tell its caller so. */
const LAST_WORDS_MS = 1_000;

/**
 * How a service ends.
 *
 *     serving ── close ──▶ draining ── drainDelayMs ──▶ closing ── all answered ──▶ closed
 *        │                     │                           │ closeTimeoutMs           ▲
 *        └────── destroy ──────┴──────────▶ cut ◀──────────┘ ─────────────────────────┘
 *
 * draining: all is served, `/readyz` says 503. closing: nobody can connect, idle connections are closed, what has no end
 * ends, what is in flight is waited for. cut: the engine is destroyed, what was in flight is answered with that.
 */
export class Stopping {
  state: 'serving' | 'draining' | 'closing' | 'cut' | 'closed' = 'serving';
  readonly #timeouts: Pick<ResolvedServiceOptions, 'closeTimeoutMs' | 'drainDelayMs'>;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  #closed: Promise<void> | undefined = undefined;
  #endDrain: (() => void) | undefined = undefined;

  constructor(timeouts: Pick<ResolvedServiceOptions, 'closeTimeoutMs' | 'drainDelayMs'>, clock: Clock) {
    this.#timeouts = timeouts;
    this.#clock = clock;
  }

  /** Aborted when what has no end is to end. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  close(app: App, parts: Parts): Promise<void> {
    this.#closed ??= this.#close(app, parts);
    return this.#closed;
  }

  async destroy(app: App, parts: Parts, reason: string): Promise<void> {
    const closed = this.close(app, parts);
    await this.#cut(app, parts, reason);
    await closed;
  }

  async #close(app: App, parts: Parts): Promise<void> {
    this.state = 'draining';
    const { drainDelayMs, closeTimeoutMs } = this.#timeouts;
    parts.log.info({ drainDelayMs, closeTimeoutMs }, 'stopping');
    if (drainDelayMs > 0) await this.#drain(drainDelayMs);
    if (this.state === 'draining') this.state = 'closing';
    const late = this.#clock.timer(closeTimeoutMs, () => {
      parts.log.warn({ closeTimeoutMs }, 'what is in flight is cut');
      void this.#cut(app, parts, 'the service was stopped');
    });
    this.#stop.abort();
    try {
      await app.close();
    } finally {
      late.cancel();
    }
    await parts.engine.close();
    this.state = 'closed';
    parts.log.info('stopped');
  }

  #drain(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.timer(ms, resolve);
      this.#endDrain = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  async #cut(app: App, parts: Parts, reason: string): Promise<void> {
    if (this.state === 'cut' || this.state === 'closed') return;
    this.state = 'cut';
    this.#endDrain?.();
    await parts.engine.destroy(reason);
    const last = this.#clock.timer(LAST_WORDS_MS, () => app.server.closeAllConnections());
    await app.close();
    last.cancel();
  }
}
