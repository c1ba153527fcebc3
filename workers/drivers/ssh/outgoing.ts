import type { ExecOrder } from '../../../src/specs/ssh.js';
import type { Transport } from './transport.js';

/** What a command reads goes out here: to the channel of the one, in pieces that the server takes. */
export interface OutgoingChannel {
  send(data: Buffer): void;
  end(): void;
  /** True if too much of the connection's waits to be sent; then `call` is called once when it is gone. */
  tooMuch(call: () => void): boolean;
}

const END_OF_TRANSMISSION = Buffer.from('\x04\x04');

/** Ends what a command reads. A terminal has no end: ^D ends one read at the beginning of a line, and needs a second one within. */
export function sendEnd(transport: Transport, peer: number, { pty }: Pick<ExecOrder, 'pty'>): void {
  if (pty) transport.channelData(peer, END_OF_TRANSMISSION);
  else transport.channelEOF(peer);
}

export function channelTo(
  transport: Transport,
  peer: number,
  order: Pick<ExecOrder, 'pty'>,
  pressure: Pick<OutgoingChannel, 'tooMuch'>,
): OutgoingChannel {
  return {
    send: (data) => transport.channelData(peer, data),
    end: () => sendEnd(transport, peer, order),
    tooMuch: (call) => pressure.tooMuch(call),
  };
}

/**
 * Feeds a command: what the request holds, then what the caller writes, then end of file. Bounded by the server's
 * window, and by what waits for the socket: the next piece of the caller's is asked for when the last one has left.
 */
export class Outgoing {
  readonly #channel: OutgoingChannel;
  readonly #failed: (error: unknown) => void;
  readonly #packet: number;
  #window: number;
  #left: Buffer | undefined;
  #input: AsyncIterator<Uint8Array> | undefined;
  #state: 'sending' | 'asking' | 'done' = 'sending';
  /** For what others have sent. */
  #waits = false;

  constructor(
    channel: OutgoingChannel,
    limits: { window: number; packet: number },
    what: { stdin: string | Uint8Array | undefined; input: AsyncIterable<Uint8Array> | undefined },
    failed: (error: unknown) => void,
  ) {
    this.#channel = channel;
    this.#window = limits.window;
    this.#packet = limits.packet;
    this.#left = what.stdin === undefined ? undefined : bytesOf(what.stdin);
    this.#input = what.input?.[Symbol.asyncIterator]();
    this.#failed = failed;
  }

  /** The server takes so much more. */
  granted(bytes: number): void {
    this.#window += bytes;
    this.resume();
  }

  /** Sends what can be sent. */
  resume(): void {
    if (this.#state !== 'sending' || !this.#sendLeft()) return;
    if (this.#input) {
      if (this.#waits) return;
      this.#waits = this.#channel.tooMuch(this.#readOn);
      if (!this.#waits) this.#ask(this.#input);
      return;
    }
    this.#state = 'done';
    this.#channel.end();
  }

  /** The command takes no more. */
  stop(): void {
    this.#state = 'done';
    this.#left = undefined;
    const input = this.#input;
    this.#input = undefined;
    // The caller's iterator may be anything; how it takes the news changes nothing for us.
    input?.return?.().then(undefined, () => undefined);
  }

  /** True when all of it has left. */
  #sendLeft(): boolean {
    let left = this.#left;
    while (left && left.length > 0) {
      const length = Math.min(left.length, this.#window, this.#packet);
      if (length === 0) break;
      this.#window -= length;
      this.#channel.send(length === left.length ? left : left.subarray(0, length));
      left = left.subarray(length);
    }
    this.#left = left;
    return left === undefined || left.length === 0;
  }

  readonly #readOn = (): void => {
    this.#waits = false;
    this.resume();
  };

  #ask(input: AsyncIterator<Uint8Array>): void {
    this.#state = 'asking';
    input.next().then(
      ({ done, value }) => {
        if (this.#state !== 'asking') return;
        this.#state = 'sending';
        if (done) this.#input = undefined;
        else this.#left = bytesOf(value);
        this.resume();
      },
      (error: unknown) => {
        if (this.#state === 'asking') this.#failed(error);
      },
    );
  }
}

function bytesOf(data: string | Uint8Array): Buffer {
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
