import { signalStatus } from './exit-status.js';
import type { Io } from './io.js';

export interface InterruptSteps {
  /** The first Ctrl-C: begin no more. */
  drain(): void;
  /** The second, or a request to terminate: cut what runs. */
  cut(): void;
  /** SIGUSR2: begin no more until it comes again. What cannot pause ends by it, as any process. */
  pause?(): void;
  /** SIGUSR2 again, or SIGCONT. */
  resume?(): void;
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
  #paused = false;
  readonly #io: Io;
  readonly #steps: InterruptSteps;
  readonly #listeners: [NodeJS.Signals, () => void][] = [];

  constructor(io: Io, steps: InterruptSteps) {
    this.#io = io;
    this.#steps = steps;
    this.#listen('SIGINT', () => (this.#state === 'running' ? this.#drain() : this.#cut()));
    this.#listen('SIGTERM', () => this.#cut());
    this.#listen('SIGHUP', () => this.#cut());
    if (steps.pause) {
      this.#on('SIGUSR2', () => (this.#paused ? this.#resume() : this.#pause()));
      this.#on('SIGCONT', () => this.#resume());
    }
  }

  stop(): void {
    for (const [signal, listener] of this.#listeners) this.#io.off(signal, listener);
  }

  #listen(signal: NodeJS.Signals, step: () => void): void {
    this.#on(signal, () => {
      this.status ??= signalStatus(signal);
      step();
    });
  }

  #on(signal: NodeJS.Signals, listener: () => void): void {
    this.#listeners.push([signal, listener]);
    this.#io.on(signal, listener);
  }

  #pause(): void {
    if (this.#state !== 'running') return;
    this.#paused = true;
    this.#steps.pause?.();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#steps.resume?.();
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
