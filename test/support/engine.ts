import { createEngine, type Engine, type EngineOptions, KeylaneError } from 'keylane';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../src/util/clock.js';

/** An engine for the running test, gone when the test is over, whatever became of it. */
export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  const engine = await createEngine({ shards: 1, ...options });
  onTestFinished(() => engine.destroy('the test is over'));
  return engine;
}

/** What a promise rejects with; fails where that is not a KeylaneError, or where it resolves. */
export async function failure(promise: Promise<unknown>): Promise<KeylaneError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof KeylaneError) return error;
    throw new Error(`rejected with something else than a KeylaneError: ${String(error)}`, { cause: error });
  }
  throw new Error('expected a rejection');
}

/** The part of an error that is the contract. */
export async function verdict(promise: Promise<unknown>): Promise<string> {
  const { code, outcome } = await failure(promise);
  return `${code} ${outcome}`;
}

/**
 * Looks again, a turn of the event loop later, until it is so; what does not come at once is looked for every 2 ms. The test's own time-out ends what never comes.
 *
 * Turns alone kept a core busy for as long as a test waited, which the peer that it waited for had to do without.
 */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; !(await holds()); turn++)
    await new Promise((resolve) =>
      turn < TURNS ? setImmediate(resolve) : systemClock.timer(2, () => resolve(undefined)),
    );
}

const TURNS = 20;
