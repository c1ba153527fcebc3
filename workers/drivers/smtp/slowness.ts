import type { SmtpResponse } from '../../../src/smtp-types.js';
import type { Clock } from '../../../src/util/clock.js';

const FIRST_MS = 5_000;
const LONGEST_MS = 300_000;
const MOST_KEYS = 10_000;

/** How long a server that says "not now" is let alone: longer each time in a row, until it takes a message. */
export class Slowness {
  readonly #clock: Clock;
  readonly #keys = new Map<string, { ms: number; until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds for which the key is to start nothing; undefined where this answer says nothing of that. */
  after(key: string, response: SmtpResponse): number | undefined {
    if (this.#keys.size > 0 && response.step === undefined) this.#keys.delete(key);
    if (!asksForRest(response)) return undefined;
    const now = this.#clock.now();
    const known = this.#keys.get(key);
    // Those in flight at the same time say it once.
    if (known && now < known.until) return known.until - now;
    const ms = known ? Math.min(2 * known.ms, LONGEST_MS) : FIRST_MS;
    this.#keys.delete(key);
    this.#keys.set(key, { ms, until: now + ms });
    if (this.#keys.size > MOST_KEYS) this.#keys.delete(this.#keys.keys().next().value as string);
    return ms;
  }
}

/** Of the session or the sender, and not of one recipient (greylisting, a full mailbox: 4.1.x, 4.2.x). */
function asksForRest({ code, enhanced, step }: SmtpResponse): boolean {
  if (step === undefined || code < 400 || code >= 500) return false;
  if (code === 421) return true;
  const subject = enhanced?.split('.')[1];
  if (step === 'RCPT') return subject !== undefined && RESTING.has(subject);
  return subject !== '1' && subject !== '2';
}

/** Mail system, network and protocol (too many connections, too much in a time), in RFC 3463's numbers. */
const RESTING: ReadonlySet<string> = new Set(['3', '4']);
