import type { RunCommand } from './protocol.js';
import { weigh } from './weight.js';

/** Lanes that one side of the wall knows of the other's. */
const MOST = 2_048;
/** One that takes more is told with each run: so many of them would take too much memory. */
const LONGEST = 8_192;

/** The number of a lane that is told for the next run only; any below 0 is. */
const NOT_KEPT = -1;

/** A lane as the shard was told it: one object for all its runs. */
export class ToldLane {
  readonly driver: string;
  readonly key: string;
  readonly lane: string;
  readonly target: unknown;
  /** What the shard has found for it, and need not look up again. */
  found: unknown = undefined;

  constructor(driver: string, key: string, lane: string, target: unknown) {
    this.driver = driver;
    this.key = key;
    this.lane = lane;
    this.target = target;
  }
}

interface Noted extends Pick<RunCommand, 'driver' | 'key' | 'lane'> {
  readonly number: number;
}

/**
 * The lanes that a shard was told. A run names its lane by a number; driver, key, lane and target cross only with the first
 * one, which is what most of the bytes of a small request were. Equal lanes have equal targets (Parsed.lane). When all
 * numbers are taken, the lane that was told first loses its own, whose runs that are under way do not need it any more.
 */
export class LaneBook {
  readonly #byLane = new Map<string, Noted>();
  readonly #byNumber: Noted[] = [];
  #next = 0;

  /** Undefined: it is to be told. */
  numberOf({ driver, key, lane }: RunCommand): number | undefined {
    const noted = this.#byLane.get(lane);
    return noted !== undefined && noted.key === key && noted.driver === driver ? noted.number : undefined;
  }

  /** The number under which it is told now. */
  note({ driver, key, lane, target }: RunCommand): number {
    if (!isShort(lane, target)) return NOT_KEPT;
    const number = this.#next;
    this.#next = (number + 1) % MOST;
    const before = this.#byNumber[number];
    if (before && this.#byLane.get(before.lane) === before) this.#byLane.delete(before.lane);
    const noted = { driver, key, lane, number };
    this.#byNumber[number] = noted;
    this.#byLane.set(lane, noted);
    return number;
  }

  /** What was told last may not have come. */
  forget(): void {
    this.#byLane.clear();
    this.#byNumber.length = 0;
  }
}

function isShort(lane: string, target: unknown): boolean {
  try {
    return lane.length + weigh(target) <= LONGEST;
  } catch {
    // It cannot be encoded either, and is refused there.
    return false;
  }
}
