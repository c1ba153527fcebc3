import type { ExecOrder } from '../../../src/specs/ssh.js';
import type { SshResponse } from '../../../src/ssh-types.js';
import type { ExecuteContext } from '../../../src/types.js';
import { Live } from './live.js';
import { Output } from './output.js';

/** Receive window of a channel, as OpenSSH has it. stdout and stderr share it. */
export const WINDOW = 2 << 20;

/**
 * What a command writes: kept up to the limit, handed to a live reader. The server may send as much as the window allows
 * and gets more when half of it is used, unless the reader is behind: then the server stops, and not our memory.
 */
export class Incoming {
  /** Something came since this was last set to false. */
  heard = false;
  readonly #stdout: Output;
  readonly #stderr: Output;
  readonly #live: Live | undefined;
  readonly #grant: (bytes: number) => void;
  #window = WINDOW;
  #kept = true;

  /** `grant` gives the server so much more; `failed` is told when the reader fails. */
  constructor(
    order: ExecOrder,
    context: ExecuteContext,
    grant: (bytes: number) => void,
    failed: (error: unknown) => void,
  ) {
    this.#stdout = new Output(order.maxOutputBytes);
    this.#stderr = new Output(order.maxOutputBytes);
    this.#grant = grant;
    this.#live = context.live ? new Live(context, this.#readOn, failed) : undefined;
  }

  get behind(): boolean {
    return this.#live?.behind ?? false;
  }

  /** False if the server sent more than it may. `bytes` came, and of these `data` is the command's output. */
  take(bytes: number, data: Buffer | undefined, stderr: boolean): boolean {
    // Else a server could send it for ever without using the window.
    if (bytes === 0) return true;
    this.#window -= bytes;
    if (this.#window < 0) return false;
    this.heard = true;
    if (this.#kept && data && data.length > 0) {
      (stderr ? this.#stderr : this.#stdout).add(data);
      this.#live?.add(stderr ? 'stderr' : 'stdout', data);
    }
    this.#readOn();
    return true;
  }

  /** What still comes is of no interest: it is read and dropped. */
  drop(): void {
    this.#kept = false;
  }

  /** Calls back once the reader has taken all. */
  whenRead(call: () => void): void {
    if (this.#live?.behind) this.#live.drained(call);
    else call();
  }

  response(code: number | null, signal: string | null, encoding: 'utf8' | 'buffer'): SshResponse {
    const truncated = this.#stdout.truncated || this.#stderr.truncated;
    return { code, signal, stdout: this.#stdout.read(encoding), stderr: this.#stderr.read(encoding), truncated };
  }

  readonly #readOn = (): void => {
    if (this.#window > WINDOW / 2 || this.behind) return;
    const used = WINDOW - this.#window;
    this.#window = WINDOW;
    this.#grant(used);
  };
}
