import { createEngine, type Engine, type EngineOptions, KeylaneError } from 'keylane';
import { onTestFinished } from 'vitest';

export { until } from './until.js';

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
