import type { BatchReason, BatchReport, BatchSummary, Outcome } from '../index.js';
import type { Paint } from './colors.js';
import { counted, grouped, longTime, rate, time } from './figures.js';
import { MOST_REASONS, summaryText } from './summary-text.js';
import { table } from './table.js';
import { visible } from './visible.js';

/** What a batch came to: the same at the end of its run and in `batch show`. */
export function endText(report: BatchReport, paint: Paint): string {
  const { outcomes, elapsedMs, slowest, reasons, otherReasons } = report;
  const said: Partial<Record<Outcome, string[]>> = {};
  for (const outcome of ['failed', 'not_started', 'unknown', 'canceled'] as const) {
    const of = reasons.filter((reason) => reason.outcome === outcome);
    said[outcome] = of.slice(0, MOST_REASONS).map(reasonText);
    const others = of.slice(MOST_REASONS);
    if (others.length > 0)
      said[outcome].push(`${counted(others.length, 'other reason')}: ${counted(sum(others), 'request')}`);
  }
  const text = summaryText(
    {
      noun: 'request',
      elapsedMs,
      outcomes,
      slowest: slowest.slice(0, 3).map(({ key, ms }) => ({ id: key, ms })),
      reasons: said,
    },
    paint,
  );
  return otherReasons > 0 ? `${text}${counted(otherReasons, 'request')} for reasons that are not listed\n` : text;
}

function reasonText({ code, message, count, hosts, unnamed, example }: BatchReason): string {
  const why = visible(count === 1 ? example.message : message);
  const more = unnamed > 0 ? ` and ${counted(unnamed, 'more')}` : '';
  const times = count > 1 ? ` (${grouped(count)})` : '';
  return `${code ? `${code}: ` : ''}${why}: ${visible(hosts)}${more}${times}`;
}

function sum(reasons: readonly BatchReason[]): number {
  return reasons.reduce((count, reason) => count + reason.count, 0);
}

const HEAD = ['id', 'state', 'settled', 'of', 'ok', 'failed', 'not started', 'unknown', 'canceled', 'made'];

/** The batches, a line each. */
export function listText(batches: readonly BatchSummary[]): string {
  if (batches.length === 0) return 'no batches\n';
  const rows = batches.map(({ id, state, total, settled, counts, createdAt, error }) => [
    id,
    error ? 'unreadable' : state,
    ...[settled, total].map((count) => (count === undefined ? '?' : grouped(count))),
    ...[counts.ok, counts.failed, counts.not_started, counts.unknown, counts.canceled].map((count) => grouped(count)),
    moment(createdAt),
  ]);
  return table(HEAD, rows, new Set([0, 1, 9]));
}

/** One batch, as far as it is. */
export function showText(report: BatchReport, { input, pid }: BatchSummary, paint: Paint): string {
  const { id, state, why, total, settled, inFlight, pending, createdAt, rate: speed, etaMs, elapsedMs } = report;
  const lines = [
    `batch ${id}: ${state}${pid === undefined ? '' : ` (process ${pid})`}${why === undefined ? '' : `: ${visible(why)}`}`,
  ];
  lines.push(`made ${moment(createdAt)}, ran for ${time(elapsedMs)}`);
  if (input) lines.push(`input ${visible(input.path)}${input.spooled ? ' (a copy)' : ''}`);
  const far = [`${grouped(settled)} of ${total === undefined ? '?' : grouped(total)} settled`];
  if (state === 'running' || state === 'interrupted') {
    if (inFlight > 0) far.push(`${grouped(inFlight)} ${state === 'running' ? 'in flight' : 'cut off'}`);
    if (pending !== undefined) far.push(`${grouped(pending)} not begun`);
  }
  if (state === 'running') {
    far.push(`${rate(speed.recent, 1_000)}/s`);
    if (etaMs !== undefined) far.push(`eta ${longTime(etaMs)}`);
  }
  return `${lines.join('\n')}\n${far.join(', ')}\n${endText(report, paint)}`;
}

/** In local time, as ISO 8601 has it, for people. */
function moment(ms: number): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
