import type { ExecOrder } from '../../../src/specs/ssh.js';
import type { SshResponse } from '../../../src/ssh-types.js';
import type { ExecuteContext } from '../../../src/types.js';
import { Kept } from '../../../src/util/kept.js';
import { Live } from './live.js';

/** Receive window of a channel, as OpenSSH has it. stdout and stderr share it. */
export const WINDOW = 2 << 20;

/** The channel that it comes from. */
export interface IncomingOwner {
  /** Gives the server so much more. */
  grant(bytes: number): void;
  /** The reader fails. */
  readerFailed(error: unknown): void;
}

/**
 * What a command writes: kept up to the limit, handed to a live reader. The server may send as much as the window allows
 * and gets more when half of it is used, unless the reader is behind: then the server stops, and not our memory.
 */
export class Incoming {
  /** Something came since this was last set to false. */
  heard = false;
  readonly #stdout: Kept;
  #stderr: Kept | undefined = undefined;
  readonly #live: Live | undefined;
  readonly #most: number;
  readonly #owner: IncomingOwner;
  #window = WINDOW;
  #kept = true;

  constructor({ maxOutputBytes }: ExecOrder, context: ExecuteContext, owner: IncomingOwner) {
    this.#most = maxOutputBytes;
    this.#stdout = new Kept(maxOutputBytes);
    this.#owner = owner;
    const readOn = () => this.#readOn();
    this.#live = context.live ? new Live(context, readOn, (error) => owner.readerFailed(error)) : undefined;
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
    if (data) this.keep(data, stderr);
    this.#readOn();
    return true;
  }

  /** Kept of the command that came earlier. */
  keep(data: Buffer, stderr: boolean): void {
    if (!this.#kept || data.length === 0) return;
    this.#output(stderr).add(data);
    this.#live?.add(stderr ? 'stderr' : 'stdout', data);
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
    const stdout = this.#stdout.read(encoding);
    const stderr = this.#stderr?.read(encoding) ?? (encoding === 'buffer' ? Buffer.alloc(0) : '');
    return { code, signal, stdout, stderr, truncated: this.#stdout.truncated || (this.#stderr?.truncated ?? false) };
  }

  /** Most commands write no errors. */
  #output(stderr: boolean): Kept {
    if (!stderr) return this.#stdout;
    this.#stderr ??= new Kept(this.#most);
    return this.#stderr;
  }

  #readOn(): void {
    if (this.#window > WINDOW / 2 || this.behind) return;
    const used = WINDOW - this.#window;
    this.#window = WINDOW;
    this.#owner.grant(used);
  }
}
