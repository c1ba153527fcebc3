import { type OperationReport, readReport } from '../index.js';
import { configOf } from './configured.js';
import { grouped } from './figures.js';
import type { Io } from './io.js';
import type { ReportFlags } from './report-flags.js';
import { table } from './table.js';
import { visible } from './visible.js';

/** Prints the report of the data directory. */
export async function report(flags: ReportFlags, io: Io): Promise<number> {
  const { dataDir } = (await configOf(flags, io)).engine;
  const operations = await readReport({ dataDir });
  io.stdout.write(flags.format === 'json' ? `${JSON.stringify(operations, null, 2)}\n` : textOf(operations));
  return 0;
}

const HEAD = ['operation', 'answers', 'hits', 'stale', 'misses', 'hit ratio', 'average', 'p50', 'p95', 'p99'];

function textOf(operations: readonly OperationReport[]): string {
  const rows = operations.map((one) => [
    visible(one.operation),
    ...[one.count, one.hits, one.stale, one.misses].map((count) => grouped(count)),
    `${(one.hitRatio * 100).toFixed(1)} %`,
    ...[one.averageMs, one.p50Ms, one.p95Ms, one.p99Ms].map(milliseconds),
  ]);
  if (rows.length === 0) return 'nothing was counted yet\n';
  return table(HEAD, rows, new Set([0]));
}

function milliseconds(ms: number): string {
  return `${Number(ms.toPrecision(3))} ms`;
}
