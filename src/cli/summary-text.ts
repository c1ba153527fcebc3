import type { Outcome } from '../index.js';
import type { Paint } from './colors.js';
import { counted, grouped, rate, time } from './figures.js';
import { visible } from './visible.js';

/** Reasons listed for one outcome; the hosts of the others are still named, together. */
export const MOST_REASONS = 20;

/** What there is to say at the end of a run, or of a batch that is kept. */
export interface Said {
  noun: 'host' | 'request';
  elapsedMs: number;
  outcomes: Readonly<Record<Outcome, number>>;
  /** The slowest first. */
  slowest: readonly { id: string; ms: number }[];
  /** By outcome, one line for each reason. */
  reasons: Partial<Readonly<Record<Outcome, readonly string[]>>>;
}

const TITLES: readonly [Outcome, string, Parameters<Paint>[0]][] = [
  ['ok', 'ok', 'green'],
  ['failed', 'failed', 'red'],
  ['not_started', 'not started', 'yellow'],
  ['unknown', 'unknown whether it ran', 'red'],
  ['canceled', 'canceled', 'yellow'],
];

/** The counts in one line, the slowest, and what came to nothing with its hosts. */
export function summaryText({ noun, elapsedMs, outcomes, slowest, reasons }: Said, paint: Paint): string {
  const lines: string[] = [];
  const total = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  const counts = TITLES.filter(([outcome]) => outcome === 'ok' || outcomes[outcome] > 0).map(
    ([outcome, title, color]) => {
      const text = `${grouped(outcomes[outcome])} ${title}`;
      return outcomes[outcome] > 0 ? paint(color, text) : text;
    },
  );
  lines.push(`${counted(total, noun)} in ${time(elapsedMs)} (${rate(total, elapsedMs)}/s): ${counts.join(', ')}`);
  if (total > 1 && slowest.length > 0) {
    lines.push(`slowest: ${slowest.map(({ id, ms }) => `${visible(id)} ${time(ms)}`).join(', ')}`);
  }
  for (const [outcome, title, color] of TITLES) {
    const said = reasons[outcome] ?? [];
    if (said.length > 0) lines.push(`${paint(color, title)}:`, ...said.map((line) => `  ${line}`));
  }
  return `${lines.join('\n')}\n`;
}
