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
  // Loaded here: its 10 files are read at every start of the command line otherwise.
  const { parse } = require('csv-parse/sync') as typeof Csv;
  try {
    const rows = parse(text, {
      bom: true,
      info: true,
      // Both kinds in one file happen; its own guess would take the first for all.
      record_delimiter: ['\r\n', '\n'],
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as { info: { lines: number }; record: string[] }[];
    return rows.map(({ info, record }) => ({ line: info.lines, cells: record }));
  } catch (error) {
    const { code = '', lines = 1 } = error as { code?: string; lines?: number };
    throw new KeylaneError('ERR_INPUT', `${file}:${lines}: ${PROBLEMS[code] ?? 'is not valid CSV'}`);
  }
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
