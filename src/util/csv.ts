import { createRequire } from 'node:module';
import type * as Csv from 'csv-parse/sync';
import { KeylaneError } from '../errors.js';

/** A row that is not empty. */
export interface CsvRow {
  /** Where it ends, from 1. */
  line: number;
  cells: string[];
}

const require = createRequire(import.meta.url);

const MOST_CHARACTERS = 256 * 1024 * 1024;

/**
 * Reads comma-separated values (RFC 4180): quotes, line breaks within them, either kind of line end, spaces around cells
 * dropped. Rows may be of any length: whoever knows the columns tells what is missing.
 *
 * @throws KeylaneError `ERR_INPUT`, which names `file` and the line; never a value of the file, it may be secret.
 */
export function parseCsv(text: string, file: string): CsvRow[] {
  if (text.length > MOST_CHARACTERS)
    throw new KeylaneError('ERR_INPUT', `${file}: is longer than 268,435,456 characters; split it`);
  try {
    const rows = parse(text, { bom: true, info: true, skip_empty_lines: true }) as unknown as {
      info: { lines: number };
      record: string[];
    }[];
    return rows.map(({ info, record }) => ({ line: info.lines, cells: record }));
  } catch (error) {
    const { lines = 1 } = error as { lines?: number };
    throw new KeylaneError('ERR_INPUT', `${file}:${lines}: ${problemOf(error)}`);
  }
}

/**
 * The cells of rows that were told apart before, so that a file of any length is read a piece at a time. None of them is
 * blank, and each has its line end left out.
 *
 * @throws KeylaneError `ERR_INPUT`, headed by `where` of the first row that is not valid; never a value of it.
 */
export function csvRows(rows: readonly Buffer[], where: (at: number) => string): string[][] {
  // Never ends without a newline: a row of nothing but a page feed would be none.
  const bytes = Buffer.concat(rows.flatMap((row) => [row, NEWLINE]));
  try {
    const cells = parse(bytes, {}) as unknown as string[][];
    if (cells.length === rows.length) return cells;
  } catch (error) {
    if (rows.length === 1) throw new KeylaneError('ERR_INPUT', `${where(0)}: ${problemOf(error)}`);
  }
  if (rows.length === 1) throw new KeylaneError('ERR_INPUT', `${where(0)}: is not valid CSV`);
  return rows.flatMap((row, at) => csvRows([row], () => where(at)));
}

const NEWLINE = Buffer.from('\n');

function parse(input: string | Buffer, options: Csv.Options): unknown {
  // Loaded here: its 10 files are read at every start of the command line otherwise.
  const csv = require('csv-parse/sync') as typeof Csv;
  return csv.parse(input, {
    // Both kinds in one file happen; its own guess would take the first for all.
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    trim: true,
    ...options,
  });
}

function problemOf(error: unknown): string {
  return PROBLEMS[(error as { code?: string }).code ?? ''] ?? 'is not valid CSV';
}

/** The parser's own words quote the file. */
const PROBLEMS: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'begins a quote that is never closed',
  CSV_INVALID_CLOSING_QUOTE: 'has something behind a closing quote; a quote within quotes is written twice',
  CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE:
    'has something behind a closing quote; a quote within quotes is written twice',
  INVALID_OPENING_QUOTE:
    'has a quote in the middle of a cell; put the whole cell in quotes, and write that quote twice',
};
