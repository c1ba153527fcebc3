import type { Io, OutputStream } from './io.js';
import { type GoOn, RESTARTED, type Told } from './restart.js';

/**
 * `process` as the commands see it, where another process stands above that starts us again after a death (restart.ts).
 *
 * Of a Ctrl-C both of us hear, of a `kill` only who is meant. So that nothing counts twice and nothing is missed, a signal
 * counts as often as the one of us heard of it who heard more.
 */
export class RestartedIo implements Io {
  readonly #listeners = new Map<NodeJS.Signals, Set<() => void>>();
  /** Signals that came to us, and those that count. */
  readonly #own = new Map<NodeJS.Signals, number>();
  readonly #counted = new Map<NodeJS.Signals, number>();
  readonly #onOwn = new Map<NodeJS.Signals, () => void>();

  constructor() {
    delete process.env[RESTARTED];
    process.on('message', (told: Told) => this.#hears(told));
    // Who kills the one above means us: nobody would know of a process that goes on by itself.
    process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
    // A process that has nothing left to do ends.
    process.channel?.unref();
  }

  get stdin() {
    return process.stdin;
  }

  get stdout(): OutputStream {
    return process.stdout;
  }

  get stderr(): OutputStream {
    return process.stderr;
  }

  get env() {
    return process.env;
  }

  exit(status: number): void {
    process.exit(status);
  }

  /** From now on this process can be gone on with by one that has these arguments. */
  goOn(args: readonly string[]): void {
    process.send?.({ goOn: args } satisfies GoOn);
  }

  on(signal: NodeJS.Signals, listener: () => void): void {
    let all = this.#listeners.get(signal);
    if (!all) {
      all = new Set();
      this.#listeners.set(signal, all);
      const own = () => {
        const times = (this.#own.get(signal) ?? 0) + 1;
        this.#own.set(signal, times);
        this.#counts(signal, times);
      };
      this.#onOwn.set(signal, own);
      process.on(signal, own);
    }
    all.add(listener);
  }

  off(signal: NodeJS.Signals, listener: () => void): void {
    const all = this.#listeners.get(signal);
    if (!all?.delete(listener) || all.size > 0) return;
    this.#listeners.delete(signal);
    process.off(signal, this.#onOwn.get(signal)!);
  }

  #hears({ signal, times }: Told): void {
    if (this.#listeners.has(signal)) this.#counts(signal, times);
    // Nobody listens, so it does what it does to any process; not where it was heard of when somebody did.
    else if (!this.#isCounted(signal, times)) process.kill(process.pid, signal);
  }

  #isCounted(signal: NodeJS.Signals, times: number): boolean {
    return times <= (this.#counted.get(signal) ?? 0);
  }

  #counts(signal: NodeJS.Signals, times: number): void {
    if (this.#isCounted(signal, times)) return;
    this.#counted.set(signal, times);
    for (const listener of this.#listeners.get(signal) ?? []) listener();
  }
}
