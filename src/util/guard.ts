import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

/** How many guards of a kind there are in this thread. */
export interface GuardCounts {
  running: number;
  started: number;
}

export interface GuardOptions {
  /** For `sh`: reads lines, and knows by the end of its input that nobody is left to write any. */
  script: string;
  /** `$1` and on. */
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  counts: GuardCounts;
  /** Where it is to be heard too. */
  said?: (text: string) => void;
}

/**
 * A small process that sees to it that nothing of ours is left when this process or thread ends, however that happens: its
 * input ends with us, after `kill -9` too.
 */
export class Guard {
  readonly #child: ChildProcess;
  readonly #stdin: Writable;

  /** Rejects if there can be none; then there may be nothing that it is to watch over. */
  static async start({ script, args, env, counts, said }: GuardOptions): Promise<Guard> {
    // In a session of its own: a signal for our process group is not for it.
    const child = spawn('sh', ['-c', script, 'sh', ...args], {
      detached: true,
      env,
      stdio: ['pipe', said ? 'pipe' : 'ignore', 'ignore'],
    });
    // Without a descriptor for its pipe it has no `stdin` either.
    if (child.pid === undefined) throw (await once(child, 'error'))[0];
    counts.running++;
    counts.started++;
    child.once('exit', () => counts.running--);
    if (said) (child.stdout as Readable).setEncoding('utf8').on('data', said);
    return new Guard(child, child.stdin as Writable);
  }

  private constructor(child: ChildProcess, stdin: Writable) {
    this.#child = child;
    this.#stdin = stdin;
    child.on('error', () => undefined);
    stdin.on('error', () => undefined);
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Calls back once, when it is no more. */
  onExit(call: () => void): void {
    this.#child.once('exit', call);
  }

  tell(line: string): void {
    if (!this.#stdin.writableEnded) this.#stdin.write(`${line}\n`);
  }

  /** Its input ends, after a last line where there is one. */
  end(line?: string): void {
    if (!this.#stdin.writableEnded) this.#stdin.end(line === undefined ? '' : `${line}\n`);
  }
}
