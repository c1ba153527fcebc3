import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { TokenAccount } from '../../src/tokens/settings.js';

const PROGRAM = fileURLToPath(new URL('./programs/token-asker.mjs', import.meta.url));

/** A process of its own that asks for an account's token. */
export class TokenAsker {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when it is ready to ask. `wallAheadMs`: how far its wall clock is ahead of ours. */
  static async start(
    account: TokenAccount,
    dataDir: string | undefined,
    { wallAheadMs = 0, env = {} }: { wallAheadMs?: number; env?: Record<string, string> } = {},
  ): Promise<TokenAsker> {
    const child = fork(PROGRAM, {
      execArgv: [],
      env: { ...process.env, SECRET: 's3cret', ...env, TOKEN_ASKER: JSON.stringify({ account, dataDir, wallAheadMs }) },
    });
    await once(child, 'message');
    return new TokenAsker(child);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** What it got: access tokens, or errors. */
  async ask(times = 1): Promise<string[]> {
    this.#child.send({ times });
    const [answer] = (await once(this.#child, 'message')) as [string[]];
    return answer;
  }

  /** Asks, and is never heard of again. */
  askAndDie(): void {
    this.#child.send({ times: 1 });
  }

  /** Resolves when it has ended by itself, without anything that keeps it alive. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }

  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }
}
