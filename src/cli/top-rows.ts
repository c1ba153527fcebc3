import type { Paint } from './colors.js';
import { clipped, width } from './width.js';

export type Color = Parameters<Paint>[0] | 'plain';
/** A piece of a line. Text from elsewhere has been made visible before it comes here. */
export type Part = [color: Color, text: string];
export type Row = readonly Part[];

const LEVELS = '▁▂▃▄▅▆▇█';

/** A line of at most so many columns. */
export function textOf(row: Row, columns: number, paint: Paint): string {
  let left = columns;
  let text = '';
  for (const [index, [color, part]] of row.entries()) {
    const isLast = index === row.length - 1;
    const shown = clipped(isLast ? part.trimEnd() : part, left);
    left -= width(shown);
    if (shown !== '') text += color === 'plain' ? shown : paint(color, shown);
    if (left <= 0) break;
  }
  return text.trimEnd();
}

/** A share of so many columns. */
export function bar(share: number, columns: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * columns);
  return '█'.repeat(full) + '░'.repeat(columns - full);
}

/** The last values, one a column, against the greatest. */
export function curve(values: readonly number[], columns: number, most: number): string {
  return values
    .slice(columns === 0 ? values.length : -columns)
    .map((value) => LEVELS[most > 0 ? Math.min(LEVELS.length - 1, Math.floor((value / most) * LEVELS.length)) : 0])
    .join('');
}
