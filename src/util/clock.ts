/**
 * Time as a parameter. The only caller of setTimeout: whatever waits takes a Clock, so that a test can turn it by hand.
 * Milliseconds are those of `process.hrtime`: CLOCK_MONOTONIC, the same in all threads, so a deadline can cross the wall.
 */
export interface Clock {
  /** Monotonic milliseconds, the same in all threads of this process. */
  now(): number;
  /** Calls back once, after at least `ms`. */
  timer(ms: number, call: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Node's longest timer; longer waits are cut to it and looked at again. */
const LONGEST_MS = 0x7fff_ffff;

/** `performance.now()` allocates nothing, hrtime an array; but it counts from an origin of its own. */
const ORIGIN = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
  now: () => ORIGIN + performance.now(),
  timer(ms, call) {
    const handle = setTimeout(call, Math.min(Math.max(0, ms), LONGEST_MS));
    return { cancel: () => clearTimeout(handle) };
  },
};
