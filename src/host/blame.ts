import { KeylaneError } from '../errors.js';
import type { Clock } from '../util/clock.js';

/** Deaths within this time count together. */
const WINDOW_MS = 60_000;
const MOST_DEATHS = 2;
const QUARANTINE_MS = 60_000;
/** Deaths that are remembered: in a minute a shard that backs off has fewer. */
const MOST_REMEMBERED = 64;

interface Death {
  at: number;
  /** Whose code ran; undefined where that is not known. */
  key: string | undefined;
  /** Who was in flight. */
  suspects: ReadonlySet<string>;
}

interface Quarantine {
  deaths: number;
  until: number;
}

/**
 * Finds keys whose requests kill their shard, and keeps them out: after two deaths within a minute their calls are
 * refused for a minute, and after that one more death is enough.
 *
 * A death is laid at the door of the key whose code ran (the ledger knows), or of the only key in flight. Where neither
 * is known everybody in flight is a suspect: nobody is kept out for that, but the next thread traces whose callbacks run,
 * and a key that is found to be the cause of a later death is the likely cause of those that it is a suspect of.
 */
export class Blame {
  readonly #clock: Clock;
  readonly #quarantined: (key: string, deaths: number, forMs: number, shard: number) => void;
  #deaths: Death[] = [];
  readonly #kept = new Map<string, Quarantine>();

  constructor(clock: Clock, quarantined: (key: string, deaths: number, forMs: number, shard: number) => void) {
    this.#clock = clock;
    this.#quarantined = quarantined;
  }

  /** False where no key is kept out, which is all that most calls need to know. */
  get any(): boolean {
    return this.#kept.size > 0;
  }

  /** Why the key's calls are not taken now; undefined if they are. */
  refusal(key: string): KeylaneError | undefined {
    const kept = this.#kept.get(key);
    const left = kept ? kept.until - this.#clock.now() : 0;
    if (!kept || left <= 0) return undefined;
    const says = `its requests killed their shard ${kept.deaths} times; the next one is taken in ${Math.ceil(left / 1000)} s`;
    return new KeylaneError('ERR_QUARANTINED', says, { key });
  }

  /** How long a thread that starts now is to trace whose code runs. */
  get traceMs(): number {
    this.#forget();
    const last = this.#deaths.findLast(({ key }) => key === undefined);
    return last ? last.at + WINDOW_MS - this.#clock.now() : 0;
  }

  /** A thread has died. `running`: the key whose code ran, where it is known; `inFlight`: the keys of what was in flight. */
  died(shard: number, running: string | undefined, inFlight: ReadonlySet<string>): void {
    this.#forget();
    if (inFlight.size === 0) return;
    const [only] = inFlight;
    const key = running ?? (inFlight.size === 1 ? only : undefined);
    this.#deaths.push({ at: this.#clock.now(), key, suspects: inFlight });
    if (this.#deaths.length > MOST_REMEMBERED) this.#deaths.shift();
    if (key === undefined) return;
    const deaths = this.#deaths.filter((death) => (death.key ?? key) === key && death.suspects.has(key)).length;
    const before = this.#kept.get(key)?.deaths ?? 0;
    if (before === 0 && deaths < MOST_DEATHS) return;
    const kept = { deaths: Math.max(deaths, before + 1), until: this.#clock.now() + QUARANTINE_MS };
    this.#kept.set(key, kept);
    this.#quarantined(key, kept.deaths, QUARANTINE_MS, shard);
  }

  /** What is too long ago to count. */
  #forget(): void {
    const now = this.#clock.now();
    this.#deaths = this.#deaths.filter(({ at }) => at + WINDOW_MS > now);
    for (const [key, { until }] of this.#kept) if (until + WINDOW_MS <= now) this.#kept.delete(key);
  }
}
