import type { Report } from './scenario.js';

/** One line for each target, in Markdown. */
export function table(reports: readonly Report[]): string {
  const rows = reports.flatMap(({ scenario, fixture, native, targets, reached, notes }) => {
    const first = `${scenario} [${fixture}${fixture === 'loopback' ? `, native ${native}` : ''}]`;
    const lines = targets.map((target) => {
      const value = target.value === undefined ? 'not measured' : String(target.value);
      return [target.what, value, target.target, target.reached === undefined ? '–' : target.reached ? 'yes' : 'NO'];
    });
    if (lines.length === 0) lines.push(['', '', '', reached ? 'yes' : 'NO']);
    return [...lines.map((line, i) => [i === 0 ? first : '', ...line]), ...notes.map((note) => ['', note, '', '', ''])];
  });
  const all = [['scenario', 'what', 'seen', 'to reach', 'reached'], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const line = (row: string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |\n`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|\n`;
  return line(all[0]!) + rule + all.slice(1).map(line).join('');
}
