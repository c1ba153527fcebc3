import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type EngineOptions, openBatches } from 'keylane';
import { onTestFinished } from 'vitest';
import type { Recorded } from './batch-witness.ts';

const CHILD = fileURLToPath(new URL('./programs/batch-child.mjs', import.meta.url));

export interface LifeSettings {
  dataDir: string;
  id: string;
  /** A file of job lines. */
  jobs: string;
  resume: boolean;
  concurrency: number;
  /** How many of the jobs its input gives before it falls silent. */
  gate: number;
  /** Where in its own code it kills itself, and at which time. */
  point?: { name: string; nth: number } | undefined;
  /** Options of its engine. */
  engine?: EngineOptions;
  /** After so many results its main thread does nothing else for a while. */
  blockMain?: { at: number; ms: number };
}

/** A line of its output. */
interface Said {
  id?: string;
  outcome?: string;
  started?: true;
  ended?: true;
  code?: string;
  message?: string;
  tookMs?: number;
}

/** One process of a batch that is begun by one and ended by another. */
export class Life {
  readonly child: ChildProcess;
  readonly acknowledged: Pick<Recorded, 'id' | 'outcome'>[] = [];
  /** What it could not go on with. */
  refused: { code: string; message: string; tookMs: number } | undefined;
  isStarted = false;
  isDone = false;
  err = '';
  /** How it ended: a status or a signal. */
  readonly end: Promise<number | string>;
  #waiters: (() => void)[] = [];
  #isOver = false;

  constructor(settings: LifeSettings) {
    this.child = spawn(process.execPath, [CHILD, JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => void this.child.kill('SIGKILL'));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
    const lines = createInterface({ input: this.child.stdout! });
    lines.on('line', (line) => this.#heard(JSON.parse(line)));
    const closed = Promise.all([once(this.child, 'close'), once(lines, 'close')]);
    this.end = closed.then(([[status, signal]]) => {
      this.#isOver = true;
      this.#changed();
      return signal ?? status;
    });
  }

  /** Resolves when so many results were handed out, or it has ended. */
  acknowledges(count: number): Promise<void> {
    return this.#until(() => this.acknowledged.length >= count);
  }

  /** Resolves when its engine is there, or it has ended. */
  starts(): Promise<void> {
    return this.#until(() => this.isStarted);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.child.kill(signal);
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds() && !this.#isOver) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  #heard({ id, outcome, started, ended, code, message, tookMs }: Said): void {
    if (id !== undefined && outcome !== undefined) this.acknowledged.push({ id, outcome });
    if (code !== undefined && message !== undefined && tookMs !== undefined) this.refused = { code, message, tookMs };
    this.isStarted ||= started === true;
    this.isDone ||= ended === true;
    this.#changed();
  }

  #changed(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}

/** All that a journal says, as `export` prints it. */
export async function recordedOf(dataDir: string, id: string): Promise<Recorded[]> {
  const records: Recorded[] = [];
  for await (const { line } of openBatches({ dataDir }).results(id)) records.push(JSON.parse(line));
  return records;
}

/** Where a process of a batch may be killed: by itself (batch-points.mjs), or by us while the peer has its command. */
export const POINTS = {
  own: [
    ...['before-intent', 'within-intent', 'flushed-intent', 'after-intent'],
    ...['before-result', 'within-result', 'flushed-result', 'after-result'],
  ],
  /** The command has begun and done nothing; it has done all but tell of it. */
  peer: ['before', 'after'],
} as const;
