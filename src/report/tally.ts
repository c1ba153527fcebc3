import { Histogram } from './histogram.js';

export type ReportedStatus = 'hit' | 'stale' | 'miss';

/** What was counted of one operation. */
export class Tally {
  readonly counts = { hit: 0, stale: 0, miss: 0 };
  readonly took = new Histogram();
  sumUs = 0;

  note(status: ReportedStatus, ms: number): void {
    const us = Math.max(0, ms * 1_000);
    this.counts[status]++;
    this.sumUs += us;
    this.took.add(us);
  }

  get count(): number {
    return this.counts.hit + this.counts.stale + this.counts.miss;
  }

  merge(other: Tally): void {
    for (const status of ['hit', 'stale', 'miss'] as const) this.counts[status] += other.counts[status];
    this.sumUs += other.sumUs;
    for (const [us, count] of other.took.pairs()) this.took.add(us, count);
  }

  /** As it is kept: 6 KB at most. */
  packed(): Buffer {
    const { hit, stale, miss } = this.counts;
    return Buffer.from(JSON.stringify([hit, stale, miss, Math.round(this.sumUs), ...this.took.pairs().flat()]));
  }

  static unpacked(bytes: Buffer): Tally {
    const [hit = 0, stale = 0, miss = 0, sumUs = 0, ...pairs] = JSON.parse(bytes.toString()) as number[];
    const tally = new Tally();
    Object.assign(tally.counts, { hit, stale, miss });
    tally.sumUs = sumUs;
    for (let i = 0; i + 1 < pairs.length; i += 2) tally.took.add(pairs[i]!, pairs[i + 1]);
    return tally;
  }
}
