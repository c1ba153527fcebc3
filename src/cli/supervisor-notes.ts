import { spawn } from 'node:child_process';
import type { Clock } from '../index.js';

/** What is told, as sd_notify(3) has it. */
type Note = 'READY=1' | 'STOPPING=1' | 'WATCHDOG=1';

interface About {
  /** The socket of systemd; none where nobody listens. */
  socket: string | undefined;
  /** Milliseconds without a sign of life after which systemd ends us; 0: never. */
  watchdogMs: number;
  clock: Clock;
  /** Told once, where systemd cannot be told. */
  onProblem(problem: string): void;
}

/**
 * Tells systemd that the service is ready, that it lives, and that it stops: a unit of `Type=notify`, with `WatchdogSec`.
 *
 * Node has no datagrams of Unix sockets, so it is told by `systemd-notify`, a child of some milliseconds, which is there
 * wherever systemd is. The unit has to allow it: `NotifyAccess=all`.
 */
export class SupervisorNotes {
  readonly #about: About;
  #timer: { cancel(): void } | undefined = undefined;
  #hasFailed = false;

  constructor(about: About) {
    this.#about = about;
  }

  /** What the environment says. It is taken out of it: what we start has nothing to tell systemd. */
  static fromEnvironment(env: NodeJS.ProcessEnv, about: Pick<About, 'clock' | 'onProblem'>): SupervisorNotes {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: micros, WATCHDOG_PID: pid } = env;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
    // With a process above us that starts us again, systemd started that one.
    const isOurs = pid === undefined || [process.pid, process.ppid].includes(Number(pid));
    const watchdogMs = isOurs && /^\d{1,15}$/.test(micros ?? '') ? Number(micros) / 1_000 : 0;
    return new SupervisorNotes({ socket, watchdogMs, ...about });
  }

  /** `lives` says whether all that serves is alive, however late; a sign of life is sent when it did. */
  ready(lives: () => Promise<boolean>): void {
    this.#tell('READY=1');
    const { socket, watchdogMs } = this.#about;
    // Half of it, as sd_watchdog_enabled(3) advises.
    if (socket !== undefined && watchdogMs > 0) this.#watch(lives, watchdogMs / 2);
  }

  /** What stops may take its time: no further sign of life is owed. */
  stopping(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#tell('STOPPING=1');
  }

  #watch(lives: () => Promise<boolean>, inMs: number): void {
    const { clock, watchdogMs } = this.#about;
    this.#timer = clock.timer(inMs, async () => {
      const alive = await lives().catch(() => false);
      if (this.#timer === undefined) return;
      if (alive) this.#tell('WATCHDOG=1');
      // What is being started again may be alive in time.
      this.#watch(lives, alive ? watchdogMs / 2 : watchdogMs / 10);
    });
  }

  #tell(note: Note): void {
    const { socket, onProblem } = this.#about;
    if (socket === undefined) return;
    const failed = (why: string) => {
      if (!this.#hasFailed) onProblem(`systemd cannot be told ${note}: systemd-notify: ${why}`);
      this.#hasFailed = true;
    };
    const child = spawn('systemd-notify', [note], {
      stdio: 'ignore',
      env: { PATH: process.env.PATH, NOTIFY_SOCKET: socket },
    });
    child.once('error', ({ message }) => failed(message));
    child.once('exit', (status) => {
      if (status !== 0) failed(`exit status ${status}`);
    });
  }
}
