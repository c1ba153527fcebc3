import type { Client } from 'ssh2';
import type { Wire } from './wire.js';

/** Bytes that may wait for the socket before those who write without end have to. */
const MOST_WAITING = 1 << 20;

/**
 * What waits to be sent on a connection. A channel's window is what the server says that it takes; a hostile one says
 * 4 GiB and reads nothing, or begins a key exchange, during which ssh2 keeps all that is sent, and never ends it.
 */
export class Pressure {
  readonly #socket: Wire;
  readonly #protocol: { _kexinit?: Buffer };
  #waiting: (() => void)[] = [];

  constructor(client: Client, socket: Wire) {
    this.#socket = socket;
    this.#protocol = (client as unknown as { _protocol: { _kexinit?: Buffer } })._protocol;
    socket.on('drain', this.#look);
    client.on('handshake', this.#look);
  }

  /** True if too much waits; then `call` is called once when it is gone. */
  tooMuch(call: () => void): boolean {
    if (!this.#isHigh) return false;
    this.#waiting.push(call);
    return true;
  }

  get #isHigh(): boolean {
    return this.#protocol._kexinit !== undefined || this.#socket.writableLength > MOST_WAITING;
  }

  readonly #look = (): void => {
    if (this.#isHigh) return;
    for (const call of this.#waiting.splice(0)) call();
  };
}
