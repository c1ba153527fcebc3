import { type EngineOptions, KeylaneError } from '../index.js';
import { UsageError } from './io.js';

/** Starts an engine; what is wrong with its options is wrong with the command line. */
export async function startEngine<E>(
  create: (options: EngineOptions) => Promise<E>,
  options: EngineOptions,
): Promise<E> {
  try {
    return await create(options);
  } catch (error) {
    if (error instanceof KeylaneError && error.code === 'ERR_CONFIG') throw new UsageError(error.message);
    throw error;
  }
}
