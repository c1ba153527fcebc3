import { signalStatus } from './exit-status.js';
import type { Io } from './io.js';

export interface InterruptSteps {
  /** The first Ctrl-C: begin no more. */
  drain(): void;
  /** The second, or a request to terminate: cut what runs. */
  cut(): void;
}

/**
 * What Ctrl-C does. SIGTERM and SIGHUP cut at once.
 *
 *     running ── Ctrl-C ──▶ draining ── Ctrl-C ──▶ cut ── Ctrl-C ──▶ the process ends at once
 *        └────────── SIGTERM, SIGHUP ──────────────▶ │
 */
export class Interrupts {
  /** The exit status that the first signal asks for. */
  status: number | undefined = undefined;
  #state: 'running' | 'draining' | 'cut' = 'running';
  readonly #io: Io;
  readonly #steps: InterruptSteps;
  readonly #listeners: [NodeJS.Signals, () => void][] = [];

  constructor(io: Io, steps: InterruptSteps) {
    this.#io = io;
    this.#steps = steps;
    this.#listen('SIGINT', () => (this.#state === 'running' ? this.#drain() : this.#cut()));
    this.#listen('SIGTERM', () => this.#cut());
    this.#listen('SIGHUP', () => this.#cut());
  }

  stop(): void {
    for (const [signal, listener] of this.#listeners) this.#io.off(signal, listener);
  }

  #listen(signal: NodeJS.Signals, step: () => void): void {
    const listener = () => {
      this.status ??= signalStatus(signal);
      step();
    };
    this.#listeners.push([signal, listener]);
    this.#io.on(signal, listener);
  }

  #drain(): void {
    this.#state = 'draining';
    this.#steps.drain();
  }

  #cut(): void {
    if (this.#state === 'cut') {
      this.#io.exit(this.status ?? 1);
    } else {
      this.#state = 'cut';
      this.#steps.cut();
    }
  }
}
