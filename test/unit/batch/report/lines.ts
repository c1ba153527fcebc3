import type { Committed } from '../../../../src/batch/report/committed.js';
import type { Outcome } from '../../../../src/types.js';

export interface Settled {
  index?: number;
  id?: string;
  host?: string;
  key?: string;
  outcome?: Outcome;
  response?: unknown;
  error?: { code: string; message: string };
  ms?: number;
}

/** A line as a journal has it. */
export function lineOfTest(settled: Settled): string {
  const {
    index = 0,
    id = String(index),
    host,
    key = host ? `${host}:22` : 'k',
    outcome = 'ok',
    response,
    error,
  } = settled;
  return JSON.stringify({
    index,
    id,
    ...(host !== undefined && { host }),
    key,
    outcome,
    ...(error ? { error } : { response: response ?? { code: 0, signal: null, stdout: '', stderr: '' } }),
    attempts: 1,
    shard: 0,
    reused: true,
    cache: 'none',
    timing: { queuedMs: 0, openMs: 0, runMs: settled.ms ?? 1 },
    history: [],
  });
}

/** Results that were written together; `read` counts the lines that somebody asked for. */
export class TestCommit implements Committed {
  read = 0;
  readonly #settled: readonly Settled[];

  constructor(
    readonly at: number,
    settled: readonly Settled[],
  ) {
    this.#settled = settled;
  }

  get count(): number {
    return this.#settled.length;
  }

  index(i: number): number {
    return this.#settled[i]!.index ?? 0;
  }

  outcome(i: number): Outcome {
    return this.#settled[i]!.outcome ?? 'ok';
  }

  ms(i: number): number {
    return this.#settled[i]!.ms ?? 1;
  }

  line(i: number): string {
    this.read++;
    return lineOfTest(this.#settled[i]!);
  }
}
