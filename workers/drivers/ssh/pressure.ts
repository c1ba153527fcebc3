import type { ChannelClient } from './transport.js';
import type { Wire } from './wire.js';

/** Bytes that may wait for the socket before those who write without end have to. */
const MOST_WAITING = 1 << 20;

/** The private parts of ssh2's client for it; another kind of client exchanges no keys. */
interface Exchanging {
  on?(name: 'handshake', call: () => void): unknown;
  _protocol?: { _kexinit?: Buffer };
}

/**
 * What waits to be sent on a connection. A channel's window is what the server says that it takes; a hostile one says
 * 4 GiB and reads nothing, or begins a key exchange, during which ssh2 keeps all that is sent, and never ends it.
 */
export class Pressure {
  readonly #socket: Wire;
  readonly #client: Exchanging;
  #waiting: (() => void)[] = [];

  constructor(client: ChannelClient, socket: Wire) {
    this.#socket = socket;
    this.#client = client as Exchanging;
    socket.on('drain', this.#look);
    this.#client.on?.('handshake', this.#look);
  }

  /** True if too much waits; then `call` is called once when it is gone. */
  tooMuch(call: () => void): boolean {
    if (!this.#isHigh) return false;
    this.#waiting.push(call);
    return true;
  }

  get #isHigh(): boolean {
    return this.#client._protocol?._kexinit !== undefined || this.#socket.writableLength > MOST_WAITING;
  }

  readonly #look = (): void => {
    if (this.#isHigh) return;
    for (const call of this.#waiting.splice(0)) call();
  };
}
