import type { Client } from 'ssh2';
import { KeylaneError } from '../../../src/errors.js';
import type { Clock } from '../../../src/util/clock.js';

type Handler = ((protocol: unknown, ...rest: unknown[]) => void) | undefined;
type Handlers = Record<string, Handler>;

/** Messages that a server may send unasked and that cost us something: an answer, a signature, a listener. */
const BEFORE = [
  'USERAUTH_BANNER',
  'USERAUTH_FAILURE',
  'USERAUTH_INFO_REQUEST',
  'USERAUTH_PK_OK',
  'SERVICE_ACCEPT',
  'EXT_INFO',
  'DEBUG',
] as const;
const AFTER = ['GLOBAL_REQUEST', 'CHANNEL_OPEN', 'CHANNEL_REQUEST'] as const;

/** An honest log-in has a banner, a few refusals and a few questions. */
const LOG_IN = { burst: 200, perSecond: 0 };
/** An honest connection is asked for a sign of life every few seconds. */
const MESSAGES = { burst: 1_000, perSecond: 20 };
/** A key exchange costs 2 ms of the thread. OpenSSH asks for one by bytes, and hardly anybody sets less than 1 MiB. */
const KEY_EXCHANGES = { burst: 64, perSecond: 2 };
const BYTES_OF_ONE = 64 << 10;

/**
 * Bounds what a server may ask for on its own (S12): none of it needs memory for long, but all of it needs the thread that
 * other hosts share. Past the bound it throws, within ssh2's reading, and that ends the connection. What arrives under a
 * command's window is bounded by that, and not counted here.
 */
export class Guard {
  readonly #key: string;
  readonly #handlers: Handlers;
  readonly #logIn: Allowance;
  readonly #messages: Allowance;
  readonly #keyExchanges: Allowance;

  /**
   * For a client whose `connect` has just been called. `transferred`: bytes of the connection so far, both ways.
   * `ended`: the server says good-bye, whatever for; ssh2 would wait for it to close the socket, which it may never do.
   */
  constructor(client: Client, key: string, clock: Clock, transferred: () => number, ended: (cause?: Error) => void) {
    const { _handlers } = (client as unknown as { _protocol?: { _handlers?: Handlers } })._protocol ?? {};
    if (!_handlers || !('DISCONNECT' in _handlers)) throw new Error('this version of ssh2 lacks DISCONNECT');
    this.#key = key;
    this.#handlers = _handlers;
    this.#logIn = new Allowance(LOG_IN, clock, () => 0);
    this.#messages = new Allowance(MESSAGES, clock, () => 0);
    this.#keyExchanges = new Allowance(KEY_EXCHANGES, clock, () => transferred() / BYTES_OF_ONE);
    for (const name of BEFORE) this.#count(name, this.#logIn);
    client.on('handshake', () => this.#take(this.#keyExchanges, 'key exchanges'));
    const theirs = _handlers.DISCONNECT;
    _handlers.DISCONNECT = (...rest) => {
      theirs?.(...rest);
      ended();
    };
  }

  /** The channels have their listeners: counts what they get. */
  loggedIn(): void {
    for (const name of AFTER) this.#count(name, this.#messages);
  }

  #count(name: string, allowance: Allowance): void {
    const theirs = this.#handlers[name];
    const what = `messages of the kind ${name}`;
    // Five arguments at most: gathering the rest of them would make an array a message.
    this.#handlers[name] = (protocol, a, b, wantReply, c) => {
      // A request of a channel that wants no answer costs nothing, and each command's end is one.
      if (name !== 'CHANNEL_REQUEST' || wantReply) this.#take(allowance, what);
      theirs?.(protocol, a, b, wantReply, c);
    };
  }

  #take(allowance: Allowance, what: string): void {
    if (allowance.take()) return;
    const message = `${this.#key} sent too many ${what} that nobody asked for`;
    // Of commands that run each one's session says more.
    throw new KeylaneError('ERR_PROTOCOL', message, { key: this.#key, outcome: 'not_started', retryable: false });
  }
}

/** A bucket of tokens: full at first, filled with time and by what else is a measure of honest work. */
class Allowance {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #clock: Clock;
  readonly #earned: () => number;
  #left: number;
  #at: number;
  #counted = 0;

  constructor(rate: { burst: number; perSecond: number }, clock: Clock, earned: () => number) {
    this.#burst = rate.burst;
    this.#perSecond = rate.perSecond;
    this.#clock = clock;
    this.#earned = earned;
    this.#left = rate.burst;
    this.#at = clock.now();
  }

  take(): boolean {
    if (this.#left < 1) this.#fill();
    this.#left--;
    return this.#left >= 0;
  }

  #fill(): void {
    const now = this.#clock.now();
    const earned = this.#earned();
    this.#left += ((now - this.#at) / 1_000) * this.#perSecond + (earned - this.#counted);
    this.#left = Math.min(this.#left, this.#burst);
    this.#at = now;
    this.#counted = earned;
  }
}
