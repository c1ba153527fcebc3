import type { Clock } from '../util/clock.js';
import type { Ended } from './signs.js';

/** As in RFC 6298: of the mean, of the mean deviation, and how many deviations a time-out lies above the mean. */
const ALPHA = 1 / 8;
const BETA = 1 / 4;
const DEVIATIONS = 4;
/** A time-out makes the next ones longer, a quick answer makes them shorter again (REQUIREMENTS C19). */
const LONGER = 1.2;
const LONGEST = 3;
const SHORTER = 0.9;
const QUICK = 0.8;
const KEPT_KEYS = 10_000;

/**
 * How long an answer of each key may take, from how long its answers took: mean + 4 × mean deviation, as TCP has it
 * (V. Paxson and others, RFC 6298), times a factor from 1 to 3 that grows by a fifth with each time-out. What timed out
 * took at least so long and counts as that: else a key that has become slower for good would never be waited for.
 * The keys longest unheard of are forgotten.
 */
export class LearnedTimeouts {
  readonly #keys = new Map<string, Learned>();

  /** Milliseconds; undefined for a key that is not known. */
  of(key: string): number | undefined {
    const learned = this.#keys.get(key);
    return learned && (learned.mean + DEVIATIONS * learned.deviation) * learned.factor;
  }

  answered(key: string, tookMs: number): void {
    const learned = this.#learn(key, tookMs);
    if (tookMs < QUICK * learned.mean) learned.factor = Math.max(1, learned.factor * SHORTER);
  }

  timedOut(key: string, afterMs: number): void {
    const learned = this.#learn(key, Math.max(afterMs, this.#keys.get(key)?.mean ?? 0));
    learned.factor = Math.min(LONGEST, learned.factor * LONGER);
  }

  #learn(key: string, tookMs: number): Learned {
    const learned = this.#keys.get(key) ?? { mean: tookMs, deviation: (2 / 3) * tookMs, factor: 1 };
    learned.deviation += BETA * (Math.abs(learned.mean - tookMs) - learned.deviation);
    learned.mean += ALPHA * (tookMs - learned.mean);
    // The one heard of last stands last.
    this.#keys.delete(key);
    this.#keys.set(key, learned);
    if (this.#keys.size > KEPT_KEYS) this.#keys.delete(this.#keys.keys().next().value as string);
    return learned;
  }
}

interface Learned {
  mean: number;
  deviation: number;
  factor: number;
}

/** The time-outs of a call: a number, or `auto` between its bounds. */
export interface TimeoutOptions {
  timeoutMs?: number | 'auto';
  timeoutFloorMs?: number;
  timeoutCeilingMs?: number;
}

/** What is given where nothing is said. */
export const DEFAULT_CEILING_MS = 60_000;
const DEFAULT_FLOOR_MS = 5_000;

/** How long a request is waited for, and each of its tries. */
export class Patience {
  readonly #learned: LearnedTimeouts | undefined;
  readonly #ms: number;
  readonly #floorMs: number;

  constructor(options: TimeoutOptions, learned: LearnedTimeouts) {
    const { timeoutMs = DEFAULT_CEILING_MS, timeoutCeilingMs = DEFAULT_CEILING_MS } = options;
    this.#learned = timeoutMs === 'auto' ? learned : undefined;
    this.#ms = timeoutMs === 'auto' ? timeoutCeilingMs : timeoutMs;
    this.#floorMs = Math.min(options.timeoutFloorMs ?? DEFAULT_FLOOR_MS, this.#ms);
  }

  /** When the request is over, however many tries it has. */
  deadline(now: number): number {
    return this.#ms === 0 ? Number.POSITIVE_INFINITY : now + this.#ms;
  }

  /** When a try that begins now is over; `deadline` is the request's. */
  ofTry(key: string, clock: Clock, deadline: number): number {
    const ms = this.#learned?.of(key);
    return ms === undefined ? deadline : Math.min(deadline, clock.now() + Math.max(ms, this.#floorMs));
  }

  /** A try is over. What waited on the main thread alone, or failed otherwise, says nothing of the key. */
  heard({ key, error, shard, submittedAt, deadline, heldMs, queuedUs, openUs, runUs }: Timed): void {
    if (!this.#learned) return;
    if (!error) this.#learned.answered(key, heldMs + (queuedUs + openUs + runUs) / 1000);
    else if (error.code === 'ERR_TIMEOUT' && shard >= 0) this.#learned.timedOut(key, deadline - submittedAt);
  }
}

/** As much of a Call as its key is judged by. */
interface Timed extends Ended {
  readonly key: string;
  readonly submittedAt: number;
  readonly deadline: number;
  readonly heldMs: number;
}
