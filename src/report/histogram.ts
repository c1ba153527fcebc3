/** Values below are kept as they are; each doubling above has 16 buckets, so that what is read is off by 3 % at most. */
const EXACT = 32;
const PER_DOUBLING = 16;
/** 36 minutes; what took longer counts as so long. */
const MOST_US = 2 ** 31 - 1;
const BUCKETS = EXACT + 26 * PER_DOUBLING;

/** How long things took, by microseconds, in 4 KB however many there were. */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #total = 0;

  add(us: number, count = 1): void {
    this.#counts[bucketOf(us)]! += count;
    this.#total += count;
  }

  /** The value that the share `q` of all is not above, 0 … 1; 0 where there is none. */
  quantile(q: number): number {
    const wanted = Math.max(1, Math.ceil(q * this.#total));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS && this.#total > 0; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= wanted) return middleOf(bucket);
    }
    return 0;
  }

  /** The buckets that are not empty, as pairs of a value and how many there were. */
  pairs(): [us: number, count: number][] {
    const found: [number, number][] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const count = this.#counts[bucket]!;
      if (count > 0) found.push([middleOf(bucket), count]);
    }
    return found;
  }
}

function bucketOf(us: number): number {
  const whole = Math.min(MOST_US, Math.max(0, Math.round(us)));
  if (whole < EXACT) return whole;
  const doubling = 31 - Math.clz32(whole);
  return EXACT + (doubling - 5) * PER_DOUBLING + ((whole >>> (doubling - 4)) & 15);
}

function middleOf(bucket: number): number {
  if (bucket < EXACT) return bucket;
  const width = 2 ** (Math.floor((bucket - EXACT) / PER_DOUBLING) + 1);
  return (PER_DOUBLING + ((bucket - EXACT) % PER_DOUBLING)) * width + width / 2;
}
