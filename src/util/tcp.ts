import { isIP, Socket } from 'node:net';
import { KeylaneError } from '../errors.js';
import type { OpenContext } from '../types.js';
import type { Clock, Timer } from './clock.js';
import { deferred } from './deferred.js';
import type { Opening } from './opening.js';
import { socketSays } from './socket-errors.js';

/** Who is connected to, and how. */
export interface Peer {
  /** An address, or a name that is looked up by the main thread. */
  host: string;
  port: number;
  /** Whom errors name and are about: the key that is opened, or a proxy. */
  name: string;
  /** The address of this machine to come from, and the option that says so. */
  source?: { address: string; option: string } | undefined;
  /** Those of its addresses that may be connected to; throws where there is none. No other one is connected to. */
  admit?(addresses: readonly string[]): readonly string[];
  /** How often all of its addresses are tried, a second apart. @default 1 */
  rounds?: number;
}

/** How long an address has for itself before the next one is tried beside it. (RFC 8305 § 5) */
const HEAD_START_MS = 250;
const PAUSE_MS = 1_000;

/**
 * A socket to the first address that takes it: they race, each with a head start over the next, and those that lose are
 * destroyed. It has a listener for errors, which says nothing: one may come before anybody else listens.
 */
export async function connectTo(peer: Peer, ask: OpenContext['ask'], opening: Opening): Promise<Socket> {
  opening.phase = 'look-up';
  const found = ofFamily(await opening.step(lookUp(peer, ask)), peer);
  const addresses = inTurn(peer.admit?.(found) ?? found);
  opening.phase = 'connect';
  for (let left = peer.rounds ?? 1; ; left--) {
    const race = new Race(addresses, peer, opening.clock);
    // What answers in no way shall leave time for the other rounds.
    const timer = left > 1 ? opening.clock.timer(opening.left / left, () => race.giveUp()) : undefined;
    try {
      return await opening.step(race.first);
    } catch (error) {
      race.stop();
      // The whole open is over; or there is no time for the pause, and this answer says more than the deadline would.
      if (error !== race.failure || left === 1 || opening.left <= PAUSE_MS) throw error;
    } finally {
      timer?.cancel();
    }
    await pause(opening);
  }
}

/** One round. A socket is in `trying` from its `connect` until it fails, loses, or is handed over. */
class Race {
  readonly first: Promise<Socket>;
  /** What tells most: of the host rather than of this machine, which may have no IPv6. */
  failure: KeylaneError | undefined = undefined;
  readonly #won: (socket: Socket) => void;
  readonly #lost: (error: unknown) => void;
  readonly #left: string[];
  readonly #peer: Peer;
  readonly #clock: Clock;
  readonly #trying = new Map<Socket, string>();
  #timer: Timer | undefined = undefined;

  constructor(addresses: readonly string[], peer: Peer, clock: Clock) {
    const { promise, resolve, reject } = deferred<Socket>();
    this.first = promise;
    this.#won = resolve;
    this.#lost = reject;
    this.#left = [...addresses];
    this.#peer = peer;
    this.#clock = clock;
    this.#next();
  }

  /** Whoever has not answered yet will not be waited for. */
  giveUp(): void {
    const { name } = this.#peer;
    const [silent] = this.#trying.values();
    this.stop();
    this.failure ??= new KeylaneError('ERR_CONNECT', `${name}: no answer from ${silent}`, { key: name });
    this.#lost(this.failure);
  }

  stop(): void {
    this.#timer?.cancel();
    for (const socket of this.#trying.keys()) socket.destroy();
    this.#trying.clear();
  }

  #next(): void {
    this.#timer?.cancel();
    const address = this.#left.shift();
    if (address === undefined) {
      if (this.#trying.size === 0) this.#lost(this.failure);
      return;
    }
    const { port, source } = this.#peer;
    const socket = new Socket();
    this.#trying.set(socket, address);
    // Nagle's wait for a delayed ACK made an exec of 2 ms one of 43.
    socket.setNoDelay(true);
    // Beside a protocol's own questions: the kernel's work where nobody asks those.
    socket.setKeepAlive(true, 60_000);
    socket.on('error', nothing);
    const failed = (error: Error) => {
      if (this.#trying.delete(socket)) this.#failed(notConnected(this.#peer, address, error));
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      if (!this.#trying.delete(socket)) return;
      this.stop();
      // Until it is handed over: the open may end in this very turn.
      this.#trying.set(socket, address);
      // Of the race nothing is to be kept for as long as the socket lives.
      socket.off('error', failed);
      this.#won(socket);
    });
    if (this.#left.length > 0) this.#timer = this.#clock.timer(HEAD_START_MS, () => this.#next());
    socket.connect({ host: address, port, ...(source && { localAddress: source.address }) });
  }

  #failed(error: KeylaneError): void {
    if (!this.failure || !error.local) this.failure = error;
    this.#next();
  }
}

/** What is no address is not one that was asked for: it would be looked up once more, past whatever `admit` says. */
async function lookUp({ host, name }: Peer, ask: OpenContext['ask']): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  const answer = await ask('lookup', host).catch((error: unknown) => {
    // Who asks on behalf of all knows the name, and not whose it is.
    throw error instanceof KeylaneError && error.code === 'ERR_DNS' ? ofPeer(name, error) : error;
  });
  const found = answer.map(({ address }) => address).filter((address) => isIP(address) !== 0);
  if (found.length === 0) throw new KeylaneError('ERR_DNS', `${name}: ${host} has no address`, { key: name });
  return found;
}

function ofPeer(name: string, { message, cause }: KeylaneError): KeylaneError {
  return new KeylaneError('ERR_DNS', `${name}: ${message}`, { key: name, cause });
}

/** A socket that is bound to an address reaches those of its own family only. */
function ofFamily(found: readonly string[], { name, host, source }: Peer): readonly string[] {
  if (!source) return found;
  const family = isIP(source.address);
  const addresses = found.filter((address) => isIP(address) === family);
  if (addresses.length > 0) return addresses;
  const message = `${name}: ${host} has no IPv${family} address, and ${source.option} ${source.address} is one`;
  throw new KeylaneError('ERR_CONNECT', message, { key: name, local: true });
}

/** As they were found, but of both families in turn: where one leads nowhere, the other is soon tried. (RFC 8305 § 4) */
function inTurn(addresses: readonly string[]): string[] {
  const family = isIP(addresses[0] ?? '');
  const own = addresses.filter((address) => isIP(address) === family);
  const other = addresses.filter((address) => isIP(address) !== family);
  return addresses.flatMap((_, index) => [own[index], other[index]].filter((address) => address !== undefined));
}

function notConnected({ name, source }: Peer, address: string, cause: NodeJS.ErrnoException): KeylaneError {
  const foreign = source !== undefined && cause.code === 'EADDRNOTAVAIL';
  const why = foreign ? `${source.option} ${source.address} is none of this machine` : socketSays(cause);
  return new KeylaneError('ERR_CONNECT', `${name}: ${why} (${address})`, { key: name, cause });
}

async function pause(opening: Opening): Promise<void> {
  const { promise, resolve } = deferred<void>();
  const timer = opening.clock.timer(PAUSE_MS, resolve);
  try {
    await opening.step(promise);
  } finally {
    timer.cancel();
  }
}

function nothing(): void {}
