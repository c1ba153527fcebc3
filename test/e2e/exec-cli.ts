import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Sshd } from '../support/sshd.ts';

export const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

/** Whoever runs the tests may have a configuration of their own. */
const NO_CONFIG = { KEYLANE_CONFIG: 'none' };

/** The real command line in a process of its own. */
export class Cli {
  out = '';
  err = '';
  readonly child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #changed: (() => void)[] = [];

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd?: string) {
    this.child = spawn(process.execPath, [MAIN, ...args], {
      stdio: 'pipe',
      env: { ...process.env, ...NO_CONFIG, ...env },
      ...(cwd !== undefined && { cwd }),
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#add('out', text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#add('err', text));
    this.child.stdin?.on('error', () => {});
    this.#ended = once(this.child, 'close').then(([status]) => {
      for (const call of this.#changed) call();
      return status as number | null;
    });
  }

  /** Resolves when the output has so many of a text; rejects if the process ends before. */
  async until(stream: 'out' | 'err', text: string, times = 1): Promise<void> {
    const has = () => this[stream].split(text).length - 1 >= times;
    while (!has()) {
      if (this.child.exitCode !== null)
        throw new Error(`ended without ${JSON.stringify(text)}: ${this.out}${this.err}`);
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  /** Ends the input and resolves with how the process ended. */
  async end(input?: string | Uint8Array): Promise<{ status: number | null; out: string; err: string }> {
    this.child.stdin?.end(input);
    const status = await this.#ended;
    return { status, out: this.out, err: this.err };
  }

  #add(stream: 'out' | 'err', text: string): void {
    this[stream] += text;
    const changed = this.#changed;
    this.#changed = [];
    for (const call of changed) call();
  }
}

/** Flags by which the fixture lets us in, and nothing else is read. */
export function loginFlags({
  user,
  port,
  identity,
  knownHosts,
}: Pick<Sshd, 'user' | 'port' | 'identity' | 'knownHosts'>) {
  return ['-F', 'none', '-l', user, '-p', String(port), '-i', identity, '--known-hosts', knownHosts];
}

/** Runs the command line to its end. */
export function run(
  args: readonly string[],
  input?: string | Uint8Array,
): Promise<{ status: number | null; out: string; err: string }> {
  return new Cli(args).end(input);
}
