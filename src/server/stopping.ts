import { setMaxListeners } from 'node:events';
import type { Clock } from '../index.js';
import type { Timer } from '../util/clock.js';
import type { Connections } from './connections.js';
import type { ResolvedServiceOptions } from './options.js';
import type { App, Parts } from './parts.js';

/** Milliseconds in which what was cut may still tell its caller so. */
const LAST_WORDS_MS = 1_000;
/** How often connections whose answer has ended are closed while it stops. */
const SWEEP_MS = 50;

/** What is ended. */
export interface Running {
  app: App;
  parts: Parts;
  connections: Connections;
}

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
    // As many hear it as batches come in at once: Node would warn of a leak.
    setMaxListeners(0, this.#stop.signal);
  }

  /** Aborted when what has no end is to end. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  close(running: Running): Promise<void> {
    this.#closed ??= this.#close(running);
    return this.#closed;
  }

  async destroy(running: Running, reason: string): Promise<void> {
    const closed = this.close(running);
    await this.#cut(running, reason);
    await closed;
  }

  async #close(running: Running): Promise<void> {
    const { app, parts } = running;
    this.state = 'draining';
    const { drainDelayMs, closeTimeoutMs } = this.#timeouts;
    parts.log.info({ drainDelayMs, closeTimeoutMs }, 'stopping');
    if (drainDelayMs > 0) await this.#drain(drainDelayMs);
    if (this.state === 'draining') this.state = 'closing';
    const late = this.#clock.timer(closeTimeoutMs, () => {
      parts.log.warn({ closeTimeoutMs }, 'what is in flight is cut');
      void this.#cut(running, 'the service was stopped');
    });
    this.#stop.abort();
    const endSweep = this.#sweep(running.connections);
    try {
      await app.close();
    } finally {
      late.cancel();
      endSweep();
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

  #sweep(connections: Connections): () => void {
    let timer: Timer;
    const turn = () => {
      connections.closeUnused();
      timer = this.#clock.timer(SWEEP_MS, turn);
    };
    turn();
    return () => timer.cancel();
  }

  async #cut({ app, parts, connections }: Running, reason: string): Promise<void> {
    if (this.state === 'cut' || this.state === 'closed') return;
    this.state = 'cut';
    this.#endDrain?.();
    await parts.engine.destroy(reason);
    const last = this.#clock.timer(LAST_WORDS_MS, () => connections.closeAll());
    await app.close();
    last.cancel();
  }
}
