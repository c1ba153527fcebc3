import { Socket } from 'node:net';
import { KeylaneError } from '../../../src/errors.js';
import type { Timer } from '../../../src/util/clock.js';
import { deferred } from '../../../src/util/deferred.js';
import { notConnected } from './open-errors.js';
import type { Opening } from './opening.js';

/** How long an address has for itself before the next one is tried beside it. (RFC 8305 § 5) */
const HEAD_START_MS = 250;

/** A socket to the first address that takes it; they are tried in their order. `to` names who is connected to. */
export async function connectAny(
  to: string,
  addresses: readonly string[],
  port: number,
  opening: Opening,
): Promise<Socket> {
  const race = new Race(to, addresses, port, opening);
  try {
    return await opening.step('connect', race.first);
  } catch (error) {
    race.stop();
    throw error;
  }
}

class Race {
  readonly first: Promise<Socket>;
  readonly #won: (socket: Socket) => void;
  readonly #lost: (error: unknown) => void;
  readonly #to: string;
  readonly #left: string[];
  readonly #port: number;
  readonly #opening: Opening;
  readonly #trying = new Set<Socket>();
  #timer: Timer | undefined = undefined;
  /** What tells most: of the host rather than of this machine, which may have no IPv6. */
  #failure: KeylaneError | undefined = undefined;

  constructor(to: string, addresses: readonly string[], port: number, opening: Opening) {
    const { promise, resolve, reject } = deferred<Socket>();
    this.first = promise;
    this.#won = resolve;
    this.#lost = reject;
    this.#to = to;
    this.#left = [...addresses];
    this.#port = port;
    this.#opening = opening;
    this.#next();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#left.length = 0;
    for (const socket of this.#trying) socket.destroy();
    this.#trying.clear();
  }

  #next(): void {
    this.#timer?.cancel();
    const address = this.#left.shift();
    if (address === undefined) {
      if (this.#trying.size === 0) this.#lost(this.#failure ?? new KeylaneError('ERR_DNS', `${this.#to}: no address`));
      return;
    }
    const socket = new Socket();
    this.#trying.add(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    // It stays, and holds nothing: an error may come before anybody else listens.
    socket.on('error', nothing);
    const failed = (error: Error) => {
      if (this.#trying.delete(socket)) this.#failed(notConnected(this.#to, address, error));
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      if (!this.#trying.delete(socket)) return;
      // Of the race nothing is to be kept for as long as the socket lives.
      socket.off('error', failed);
      this.stop();
      this.#won(socket);
    });
    if (this.#left.length > 0) this.#timer = this.#opening.clock.timer(HEAD_START_MS, () => this.#next());
    socket.connect({ host: address, port: this.#port });
  }

  #failed(error: KeylaneError): void {
    if (!this.#failure || this.#failure.local) this.#failure = error;
    this.#next();
  }
}

function nothing(): void {}
