import { Link, List } from './util/queue.js';

export interface TotalLimits {
  /** Calls in all shards at once. */
  inFlight: number;
  /** Bytes of these calls' requests. A call larger than that flies alone. */
  bytesInFlight: number;
  /** Calls that wait. */
  queued: number;
}

/** Calls that fly past one that is too large for what is left of the bytes, before all wait for it. */
const MOST_PASSES = 1_024;
/** A busy shard keeps this part of its equal part free for itself. */
const KEPT_PART = 8;

/** The calls of one shard, as far as the total is concerned. */
export interface Flyer {
  inFlight: number;
  queued: number;
  /** Keys that could fly a call now if the total had room. */
  readonly ready: number;
  readonly account: Account;
  /** Flies one call of the key whose turn it is; one that is too large gets in line with `tooLarge`. */
  flyNext(): void;
}

/** What the total notes of a shard. */
export class Account {
  /** Place among the shards that wait for the total. */
  readonly inLine: Link<Flyer>;
  /** Calls left in its turn; 0 before it. As many as it has keys ready, so that over all shards each has the same share. */
  turn = 0;
  /** Of what is kept free, its part. */
  kept = 0;

  constructor(flyer: Flyer) {
    this.inLine = new Link(flyer);
  }
}

/** A key whose next call does not fit into what is left of the bytes. */
export interface TooLarge {
  readonly flyer: Flyer;
  readonly largeBytes: number;
  readonly inTurns: Link<TooLarge>;
  fly(): void;
}

/**
 * What is in flight in the whole engine, exactly: never more than the limits, and no part of them is lost because a
 * shard has no use for its own. Where there is not enough for all, the shards take turns, as many calls a turn as a
 * shard has keys ready. A shard that is busy keeps a little for itself, so that another one, slow or blocked, cannot
 * have everything.
 */
export class Total {
  readonly limits: TotalLimits;
  inFlight = 0;
  bytes = 0;
  queued = 0;
  /** Calls that ever waited. */
  order = 0;
  /** Calls that a shard may always fly while it is busy. */
  readonly #own: number;
  /** Places that busy shards have not used of their own. */
  #kept = 0;
  /** Shards that wait, below what is their own, and past it. */
  readonly #below = new List<Flyer>();
  readonly #past = new List<Flyer>();
  readonly #large = new List<TooLarge>();
  #passes = 0;
  #serving = false;

  constructor(limits: TotalLimits, shards: number) {
    this.limits = limits;
    const part = Math.floor(limits.inFlight / shards);
    this.#own = shards === 1 || part < 2 ? 0 : Math.ceil(part / KEPT_PART);
  }

  /** May a call fly that has not waited? Only where nobody would be overtaken. */
  mayFly(flyer: Flyer, bytes: number): boolean {
    if (this.inFlight >= this.limits.inFlight || this.#large.size > 0 || !this.#fits(bytes)) return false;
    if (this.#below.size > 0) return false;
    return flyer.inFlight < this.#own || (this.#past.size === 0 && this.inFlight + this.#kept < this.limits.inFlight);
  }

  /** A call flies: to be told when the flyer's own count is right. */
  took(flyer: Flyer, bytes: number): void {
    this.inFlight++;
    this.bytes += bytes;
    if (this.#large.size > 0) this.#passes++;
    this.changed(flyer);
  }

  /** A call in flight is over: to be told when the flyer's own count is right. `next` is to follow. */
  freed(flyer: Flyer, bytes: number): void {
    this.inFlight--;
    this.bytes -= bytes;
    this.changed(flyer);
  }

  /** What a flyer has in flight or waiting is another number. */
  changed(flyer: Flyer): void {
    if (this.#own === 0) return;
    const { account, inFlight, queued } = flyer;
    const kept = inFlight + queued > 0 && inFlight < this.#own ? this.#own - inFlight : 0;
    this.#kept += kept - account.kept;
    account.kept = kept;
    const { list } = account.inLine;
    if (list && list !== this.#lineOf(flyer)) {
      list.remove(account.inLine);
      this.#lineOf(flyer).push(account.inLine);
    }
  }

  /** The flyer has keys that are ready. `next` is to follow. */
  enlist(flyer: Flyer): void {
    const { account } = flyer;
    if (account.inLine.list || flyer.ready === 0) return;
    account.turn = 0;
    this.#lineOf(flyer).push(account.inLine);
  }

  delist({ account: { inLine } }: Flyer): void {
    inLine.list?.remove(inLine);
  }

  fits(bytes: number): boolean {
    return this.#fits(bytes);
  }

  tooLarge(key: TooLarge): void {
    this.#large.push(key.inTurns);
  }

  /** It flies, or is not wanted any more. */
  noLongerTooLarge(key: TooLarge): void {
    this.#large.remove(key.inTurns);
    this.#passes = 0;
  }

  isTooLarge(key: TooLarge): boolean {
    return key.inTurns.list === this.#large;
  }

  /** Flies what there is room for. Not re-entered: what frees a place meanwhile leaves it to the loop that runs. */
  next(): void {
    if (this.#serving) return;
    this.#serving = true;
    try {
      while (this.inFlight < this.limits.inFlight && this.#flyOne()) {}
    } finally {
      this.#serving = false;
    }
  }

  #flyOne(): boolean {
    const shared = this.inFlight + this.#kept < this.limits.inFlight;
    const large = this.#large.first;
    if (large) {
      if (this.#fits(large.largeBytes) && (shared || large.flyer.inFlight < this.#own)) {
        this.noLongerTooLarge(large);
        large.fly();
        return true;
      }
      if (this.#passes >= MOST_PASSES) return false;
    }
    const flyer = this.#below.first ?? (shared ? this.#past.first : undefined);
    if (!flyer) return false;
    const { account } = flyer;
    if (account.turn === 0) account.turn = flyer.ready;
    account.turn--;
    flyer.flyNext();
    if (account.inLine.list && (flyer.ready === 0 || account.turn <= 0)) {
      this.delist(flyer);
      this.enlist(flyer);
    }
    return true;
  }

  #lineOf(flyer: Flyer): List<Flyer> {
    return flyer.inFlight < this.#own ? this.#below : this.#past;
  }

  #fits(bytes: number): boolean {
    return this.bytes + bytes <= this.limits.bytesInFlight || this.inFlight === 0;
  }
}
