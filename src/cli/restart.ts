import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { isatty } from 'node:tty';

/** Set for the process that does the work: it has one like us above it. */
export const RESTARTED = 'KEYLANE_RESTARTED';

/** From the process that does the work: with these arguments another can go on with it. */
export interface GoOn {
  goOn: readonly string[];
}

/** To it: how often we got a signal. Where it got fewer itself, they were meant for us alone, and so for it. */
export interface Told {
  signal: NodeJS.Signals;
  times: number;
}

/** What no JavaScript can catch: LMDB's and V8's aborts, a page that cannot be read, the kernel out of memory. */
const DEATHS: readonly NodeJS.Signals[] = ['SIGABRT', 'SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGTRAP', 'SIGKILL'];
/** By these it is asked to end. Ctrl-C, and the end of a terminal, reach both of us. */
const ENDS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** Pause, and go on. */
const OTHERS: readonly NodeJS.Signals[] = ['SIGUSR2', 'SIGCONT'];
const RESTARTS = 5;
const WITHIN_MS = 600_000;

/**
 * Starts `main` as a process of its own and, when that dies as no program should, starts it again with the arguments it has
 * left with us to go on. Nothing else is loaded here: it is a second process for every run, and it must not die (7.6 MB of
 * its own memory, 70 ms of CPU in all, Node 20.20).
 *
 * Both have the same terminal, input, output and process group. If we are killed the other one ends as well, at once.
 */
export async function restarting(main: string, args: readonly string[]): Promise<void> {
  const deaths: number[] = [];
  let next = args;
  for (;;) {
    const life = new Life(main, next);
    const { status, signal } = await life.end;
    if (signal === null || !DEATHS.includes(signal)) return endAs(status, signal);
    const now = performance.now();
    deaths.push(now);
    const restarts = deaths.filter((at) => at > now - WITHIN_MS).length;
    const { goOn, ending } = life;
    const told = `keylane: the process died (${signal}${signal === 'SIGKILL' ? ': out of memory?' : ''})`;
    if (!goOn || ending || restarts > RESTARTS) {
      const how = goOn ? `; go on with: keylane ${goOn.join(' ')}` : ' before there was anything to resume';
      const often = restarts > RESTARTS ? ` for the ${restarts}th time within 10 minutes` : '';
      process.stderr.write(`${told}${often}${how}\n`);
      process.exitCode = 128 + constants.signals[ending ?? signal];
      return;
    }
    process.stderr.write(`${told}; going on (restart ${restarts} of ${RESTARTS}): keylane ${goOn.join(' ')}\n`);
    next = goOn;
  }
}

/** Then SIGHUP is the terminal's end; without one it is what a service is told by to read its configuration anew. */
export function hasTerminal(): boolean {
  return [0, 1, 2].some(isatty);
}

/** One process, from its start to its end. */
class Life {
  goOn: readonly string[] | undefined;
  /** The signal by which it was asked to end. */
  ending: NodeJS.Signals | undefined;
  readonly end: Promise<{ status: number | null; signal: NodeJS.Signals | null }>;

  constructor(main: string, args: readonly string[]) {
    const child = spawn(process.execPath, [...process.execArgv, main, ...args], {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, [RESTARTED]: '1' },
    });
    child.on('message', ({ goOn }: GoOn) => {
      this.goOn = goOn;
    });
    const isReload = args[0] === 'serve' && !hasTerminal();
    const listeners = [...ENDS, ...OTHERS].map((signal) => [signal, this.#teller(child, signal, isReload)] as const);
    for (const [signal, listener] of listeners) process.on(signal, listener);
    this.end = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (status, signal) => {
        for (const [name, listener] of listeners) process.off(name, listener);
        resolve({ status, signal });
      });
    });
  }

  #teller(child: ChildProcess, signal: NodeJS.Signals, isReload: boolean): () => void {
    let times = 0;
    return () => {
      times++;
      if (ENDS.includes(signal) && !(signal === 'SIGHUP' && isReload)) this.ending ??= signal;
      // It may be gone already.
      if (child.connected) child.send({ signal, times } satisfies Told, () => {});
    };
  }
}

/** As if it had been us. */
function endAs(status: number | null, signal: NodeJS.Signals | null): void {
  if (signal) process.kill(process.pid, signal);
  else process.exitCode = status ?? 1;
}
