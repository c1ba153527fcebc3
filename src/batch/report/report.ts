import type { BatchState } from '../../batch-types.js';
import type { Outcome } from '../../types.js';
import type { Committed } from './committed.js';
import { type BatchReason, Reasons } from './reasons.js';
import { Slowest, type SlowKey } from './slowest.js';

/** What the journal knows of a batch apart from its results. */
export interface BatchFacts {
  id: string;
  state: BatchState;
  /** Why it is not `running` or `done`. */
  why?: string;
  /** Requests in all; undefined where the input has not been read to its end. */
  total?: number;
  /** How many have begun, those with a result included. */
  begun: number;
  createdAt: number;
  /** The last time that something was written. Both by the wall clock. */
  updatedAt: number;
  /** How long it ran until then, without the time between its runs. */
  ranMs: number;
}

export interface BatchReport extends BatchFacts {
  outcomes: Record<Outcome, number>;
  settled: number;
  /** Begun, and without a result: under way, or cut off where the batch is not `running`. */
  inFlight: number;
  /** Never begun; undefined where the total is. */
  pending?: number;
  elapsedMs: number;
  /** Results a second. `recent`: of the last ten seconds that it ran. */
  rate: { overall: number; recent: number };
  /** What the rest takes at the recent rate; there while it runs, where that can be said. */
  etaMs?: number;
  /** Whose requests took longest. */
  slowest: SlowKey[];
  /** Why requests are not `ok`, what most have first. */
  reasons: BatchReason[];
  /** Requests that are not `ok` and in none of the reasons, because there are too many. */
  otherReasons: number;
}

const RECENT_MS = 10_000;

/**
 * A batch's figures from what its journal holds, commit by commit. Counts are exact however many there are; memory is
 * bounded, and the lines of results that are `ok` are not read, but for the slowest.
 */
export class ReportBuilder {
  readonly #outcomes: Record<Outcome, number> = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
  readonly #reasons = new Reasons();
  readonly #slowest = new Slowest();
  readonly #recent: { at: number; count: number }[] = [];
  #settled = 0;

  add(committed: Committed): void {
    const { count } = committed;
    for (let i = 0; i < count; i++) {
      const outcome = committed.outcome(i);
      this.#outcomes[outcome]++;
      if (outcome !== 'not_started') this.#slowest.note(committed.ms(i), committed, i);
      if (outcome !== 'ok') this.#reasons.add(committed.line(i), committed.index(i));
    }
    this.#settled += count;
    this.#noteTime(committed.at, count);
  }

  /** `now`: by the wall clock. More may be added afterwards. */
  report(facts: BatchFacts, now: number): BatchReport {
    const running = facts.state === 'running';
    const settled = this.#settled;
    const begun = Math.max(facts.begun, settled);
    const elapsedMs = facts.ranMs + (running ? Math.max(0, now - facts.updatedAt) : 0);
    const rate = {
      overall: perSecond(settled, elapsedMs),
      recent: this.#recentRate(running ? now : undefined, elapsedMs),
    };
    const left = facts.total === undefined ? undefined : Math.max(0, facts.total - settled);
    const speed = rate.recent || rate.overall;
    const etaMs = running && left !== undefined && speed > 0 ? (left / speed) * 1000 : undefined;
    return {
      ...facts,
      begun,
      outcomes: { ...this.#outcomes },
      settled,
      inFlight: begun - settled,
      ...(facts.total !== undefined && { pending: Math.max(0, facts.total - begun) }),
      elapsedMs,
      rate,
      ...(etaMs !== undefined && { etaMs }),
      slowest: this.#slowest.keys(),
      ...this.#reasons.told(),
    };
  }

  /** The clock of a machine may be set back between two runs: what came later is taken to be later. */
  #noteTime(at: number, count: number): void {
    const last = this.#recent.at(-1);
    const time = Math.max(at, last?.at ?? 0);
    if (last?.at === time) last.count += count;
    else this.#recent.push({ at: time, count });
    // Only now and then: to take from the head of a list costs as much as the list is long.
    if (this.#recent.length > 2_000 && this.#recent[1_000]!.at < time - RECENT_MS) this.#recent.splice(0, 1_000);
  }

  /** Without `now` up to the last result. */
  #recentRate(now: number | undefined, elapsedMs: number): number {
    const end = now ?? this.#recent.at(-1)?.at ?? 0;
    let count = 0;
    for (const { at, count: more } of this.#recent) if (at > end - RECENT_MS) count += more;
    return perSecond(count, Math.min(RECENT_MS, elapsedMs));
  }
}

function perSecond(count: number, ms: number): number {
  return (count * 1000) / Math.max(ms, 1);
}
