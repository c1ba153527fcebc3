import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BatchSummary, openBatches } from 'keylane';
import { onTestFinished } from 'vitest';
import { Cli } from './exec-cli.ts';

/** A line of a batch's output. */
export interface ResultLine {
  index: number;
  id: string;
  host?: string;
  key: string;
  outcome: string;
  response?: Record<string, unknown>;
  error?: { code: string; message: string };
  attempts: number;
}

/** A data directory of its own, and the command line on it. */
export class BatchFolder {
  readonly dir: string;
  #files = 0;

  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), 'keylane-batch-'));
    onTestFinished(() => rmSync(this.dir, { recursive: true, force: true }));
  }

  get data(): string {
    return join(this.dir, 'data');
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** A file of jobs, a line each. */
  jobs(jobs: readonly object[], name = `jobs-${this.#files++}.ndjson`): string {
    writeFileSync(this.path(name), jobs.map((job) => `${JSON.stringify(job)}\n`).join(''));
    return this.path(name);
  }

  /** `keylane batch …`. */
  start(command: string, ...args: string[]): Cli {
    return new Cli(['batch', command, '--data-dir', this.data, '--shards', '1', ...args]);
  }

  run(command: string, ...args: string[]): ReturnType<Cli['end']> {
    return this.start(command, ...args).end();
  }

  /** What looks after batches starts no engine, so it has no flags of one. */
  look(command: string, ...args: string[]): ReturnType<Cli['end']> {
    return new Cli(['batch', command, '--data-dir', this.data, ...args]).end();
  }

  /** How far a batch is: without a process more. */
  summary(id: string): Promise<BatchSummary> {
    return openBatches({ dataDir: this.data }).show(id);
  }

  lines(name: string): ResultLine[] {
    return linesOf(readFileSync(this.path(name), 'utf8'));
  }
}

export function linesOf(text: string): ResultLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ResultLine);
}

/** So many requests of the echo driver, on ten keys. */
export function echoes(count: number, more: (index: number) => object = () => ({})): object[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `job-${index}`,
    request: { key: `host-${index % 10}`, payload: index, ...more(index) },
  }));
}

export function indexes(lines: readonly ResultLine[]): number[] {
  return lines.map(({ index }) => index);
}

/** 0, 1, 2 … */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
