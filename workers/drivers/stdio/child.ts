import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { StdioTarget } from '../../../src/specs/stdio.js';
import type { Clock } from '../../../src/util/clock.js';
import { deferred } from '../../../src/util/deferred.js';
import { type Guardian, MARKER } from './guardian.js';
import { Tail } from './tail.js';

/** What is kept of what it writes on stderr. */
const STDERR_BYTES = 8 * 1024;
/** What it gets to end by itself when its input has ended, and then after TERM. */
const PATIENCE_MS = 1_500;
/** What it wrote before it ended is read; unless somebody who has left its group holds its output open. */
const DRAIN_MS = 250;
/** To look for what it has left behind. */
const SWEEP_MS = 1_500;

/** How a process has ended. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * A process that has been started, and the group that it leads. Everything that it has started ends with it: what is in its
 * group at once, what has left it when the guardian has looked.
 */
export class Child {
  readonly stderr = new Tail(STDERR_BYTES);
  /** What it gave away of the values that it was given. */
  readonly secrets: readonly string[];
  /** Resolves when it has ended and all that it wrote has been read. */
  readonly ended: Promise<Ending>;
  /** Resolves when it has ended: what it wrote may not have been read. */
  readonly exited: Promise<void>;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #pid: number;
  readonly #number: number;
  readonly #guardian: Guardian;
  readonly #clock: Clock;
  #gone: Promise<void> | undefined = undefined;

  /** Rejects with the error of `spawn` where there is no process. */
  static async start(
    target: StdioTarget,
    secrets: Record<string, string>,
    guardian: Guardian,
    clock: Clock,
  ): Promise<Child> {
    const { number, marker } = await guardian.expect();
    let process: ChildProcessWithoutNullStreams;
    try {
      process = spawn(target.command, target.args, {
        cwd: target.cwd,
        env: { ...target.env, ...secrets, [MARKER]: marker },
        // A group of its own: it is signaled as a whole, and a Ctrl-C on our terminal is not for it.
        detached: true,
        stdio: 'pipe',
      });
      if (process.pid === undefined) throw (await once(process, 'error'))[0];
    } catch (error) {
      await guardian.over(number);
      throw error;
    }
    void guardian.started(number, process.pid as number);
    return new Child(process, number, Object.values(secrets), guardian, clock);
  }

  private constructor(
    process: ChildProcessWithoutNullStreams,
    number: number,
    secrets: readonly string[],
    guardian: Guardian,
    clock: Clock,
  ) {
    this.#process = process;
    this.#pid = process.pid as number;
    this.#number = number;
    this.#guardian = guardian;
    this.#clock = clock;
    this.secrets = secrets;
    Child.running++;
    Child.started++;
    process.on('error', () => undefined);
    process.stdin.on('error', () => undefined);
    process.stdout.on('error', () => undefined);
    process.stderr.on('error', () => undefined);
    process.stderr.on('data', (bytes: Buffer) => this.stderr.push(bytes));
    const { promise, resolve } = deferred<Ending>();
    this.ended = promise;
    const exit = deferred<void>();
    this.exited = exit.promise;
    process.once('exit', (code, signal) => {
      Child.running--;
      exit.resolve();
      this.kill();
      process.stdout.resume();
      const late = this.#clock.timer(DRAIN_MS, () => resolve({ code, signal }));
      process.once('close', () => {
        late.cancel();
        resolve({ code, signal });
      });
    });
  }

  /** In this thread. */
  static running = 0;
  static started = 0;

  get stdin() {
    return this.#process.stdin;
  }

  get stdout() {
    return this.#process.stdout;
  }

  /** It and its group, at once. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    try {
      process.kill(-this.#pid, signal);
    } catch {
      // There is nobody any more.
    }
  }

  /** Its input has ended, or it has been killed. Resolves when nothing is left of it. Never rejects. */
  gone(): Promise<void> {
    this.#gone ??= this.#leave();
    return this.#gone;
  }

  async #leave(): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (await this.#within(PATIENCE_MS, this.ended)) break;
      this.kill(signal);
    }
    await this.#within(PATIENCE_MS, this.ended);
    await this.#within(SWEEP_MS, this.#guardian.over(this.#number));
    for (const stream of [this.stdin, this.stdout, this.#process.stderr]) stream.destroy();
  }

  /** True: it came in time. */
  async #within(ms: number, promise: Promise<unknown>): Promise<boolean> {
    let timer: { cancel(): void } | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = this.#clock.timer(ms, () => resolve(false));
    });
    const inTime = await Promise.race([promise.then(() => true), late]);
    timer?.cancel();
    return inTime;
  }
}
