import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { hash } from '../routing.js';
import type { SmtpOptions } from '../smtp-types.js';
import { type Clock, systemClock } from '../util/clock.js';
import { isLoopbackHost } from '../util/networks.js';

export interface SourceDeps {
  clock: Clock;
  networkInterfaces: typeof networkInterfaces;
}

const KEPT_MS = 60_000;

/** Local addresses to send from: each key has one of them, the same as long as it is there. */
export class Sources {
  /** Another number, other addresses. */
  version = 0;
  readonly #isAuto: boolean;
  readonly #deps: SourceDeps;
  #addresses: readonly string[];
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(from: SmtpOptions['sourceAddresses'] = [], deps: SourceDeps = { clock: systemClock, networkInterfaces }) {
    this.#isAuto = from === 'auto';
    this.#addresses = from === 'auto' ? [] : from;
    this.#deps = deps;
  }

  /** Looks at the machine's addresses again, where that is due: a look costs 50 µs and more. */
  refresh(): void {
    if (!this.#isAuto) return;
    const now = this.#deps.clock.now();
    if (now - this.#readAt < KEPT_MS) return;
    this.#readAt = now;
    const found = Object.values(this.#deps.networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, scopeid }) => !internal && !scopeid)
      .map(({ address }) => address)
      .sort();
    if (found.join() === this.#addresses.join()) return;
    this.#addresses = found;
    this.version++;
  }

  /**
   * The one of this key, of a family that reaches the host; undefined where any will do. By rendezvous hashing (Thaler,
   * Ravishankar 1998): an address that comes or goes moves the keys of that address alone.
   */
  of(key: string, host: string): string | undefined {
    if (this.#addresses.length === 0 || (this.#isAuto && isLoopbackHost(host))) return undefined;
    const family = isIP(host) || (this.#isAuto ? 4 : 0);
    let best: string | undefined;
    let most = -1;
    for (const address of this.#addresses) {
      if (family !== 0 && isIP(address) !== family) continue;
      const weight = hash(`${key}\0${address}`);
      if (weight > most) [best, most] = [address, weight];
    }
    return best;
  }
}
