import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import type { Writable } from 'node:stream';

/**
 * Waits for a line. Where its input ends without one, nobody is left who uses the master: it is ended, and so are its
 * channels. ControlPersist alone would let a master live on for as long as a command runs. Then the folder goes: a
 * master that is still logging in finds no place for its socket, and ends.
 */
const SCRIPT = 'read -r _ || ssh -F none -S "$1" -O exit keylane; rm -rf "$2"';

/** Sees to it that no master is left when this process or thread ends, however that happens. */
export class Warden {
  /** Those of this thread that still run. */
  static running = 0;
  /** Those that this thread has started. */
  static started = 0;
  readonly #tell: (line?: string) => void;

  /** `socket` is the master's, in a folder of its own. Rejects if there can be no warden; then there may be no master. */
  static async start(socket: string, env: NodeJS.ProcessEnv): Promise<Warden> {
    // In a session of its own: a signal for our process group is not for it.
    const child = spawn('sh', ['-c', SCRIPT, 'sh', socket, dirname(socket)], {
      detached: true,
      env,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // Without a descriptor for its pipe it has no `stdin` either.
    if (child.pid === undefined) throw (await once(child, 'error'))[0];
    return new Warden(child, child.stdin);
  }

  private constructor(child: ChildProcess, stdin: Writable) {
    Warden.running++;
    Warden.started++;
    child.once('exit', () => Warden.running--);
    child.on('error', () => undefined);
    stdin.on('error', () => undefined);
    this.#tell = (line) => {
      if (!stdin.writableEnded) stdin.end(line ?? '');
    };
  }

  /** The master has ended. */
  dismiss(): void {
    this.#tell('\n');
  }

  /** Nobody knows whether there is a master. */
  end(): void {
    this.#tell();
  }
}
