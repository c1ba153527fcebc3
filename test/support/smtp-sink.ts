import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from './engine.js';
import { freePort, listens } from './ports.js';

/** postfix's own sink for tests: takes all mail, unless its flags have it do otherwise. (smtp-sink(1)) */
export class SmtpSink {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async start(flags: readonly string[] = []): Promise<SmtpSink> {
    const port = await freePort(['127.0.0.1']);
    // It runs as another where it is started by root.
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    const child = spawn('/usr/sbin/smtp-sink', [...user, ...flags, `127.0.0.1:${port}`, '1000'], { stdio: 'ignore' });
    await until(() => child.exitCode !== null || listens(port));
    if (child.exitCode !== null) throw new Error(`smtp-sink ${flags.join(' ')} ended by itself`);
    return new SmtpSink(port, child);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
