import { systemClock } from '../../src/util/clock.js';

/**
 * Looks again, a turn of the event loop later, until it is so; what does not come at once is looked for every 2 ms. The
 * test's own time-out ends what never comes.
 *
 * Turns alone kept a core busy for as long as a test waited, and the peer that it waited for went without.
 */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; !(await holds()); turn++)
    await new Promise<void>((resolve) => (turn < TURNS ? setImmediate(resolve) : systemClock.timer(2, resolve)));
}

const TURNS = 20;
