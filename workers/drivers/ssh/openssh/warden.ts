import { dirname } from 'node:path';
import { Guard, type GuardCounts } from '../../../../src/util/guard.js';

/**
 * Waits for a line. Where its input ends without one, nobody is left who uses the master: it is ended, and so are its
 * channels. ControlPersist alone would let a master live on for as long as a command runs. Then the folder goes: a
 * master that is still logging in finds no place for its socket, and ends.
 */
const SCRIPT = 'read -r _ || ssh -F none -S "$1" -O exit keylane; rm -rf "$2"';

/** Sees to it that no master is left when this process or thread ends, however that happens. */
export class Warden {
  /** Of this thread. */
  static readonly counts: GuardCounts = { running: 0, started: 0 };
  readonly #guard: Guard;

  /** `socket` is the master's, in a folder of its own. Rejects if there can be no warden; then there may be no master. */
  static async start(socket: string, env: NodeJS.ProcessEnv): Promise<Warden> {
    const args = [socket, dirname(socket)];
    return new Warden(await Guard.start({ script: SCRIPT, args, env, counts: Warden.counts }));
  }

  private constructor(guard: Guard) {
    this.#guard = guard;
  }

  /** The master has ended. */
  dismiss(): void {
    this.#guard.end('');
  }

  /** Nobody knows whether there is a master. */
  end(): void {
    this.#guard.end();
  }
}
