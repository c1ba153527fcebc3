import { isAscii, isUtf8 } from 'node:buffer';
import type { Job } from '../../batch-types.js';
import { csvRows } from '../../util/csv.js';
import type { Block } from './blocks.js';
import type { Rows } from './rows.js';
import { broken } from './split.js';

/** Jobs out of records. */
export interface Decoder {
  /** These records of the block will be asked for. Throws `ERR_INPUT` where nobody can tell where the records end. */
  begin(block: Block, picked: readonly number[]): void;
  /** The job of the record that has this place among those picked, or what is wrong with it. */
  job(at: number): Job | string;
}

const NOT_UTF8 = 'is not UTF-8';

/** A record is a text of JSON: a job, or with a template a row. */
export class JsonDecoder implements Decoder {
  readonly #rows: Rows | undefined;
  #block!: Block;
  #picked: readonly number[] = [];
  #text: 'ascii' | 'utf8' | 'unknown' = 'unknown';

  constructor(rows: Rows | undefined) {
    this.#rows = rows;
  }

  begin(block: Block, picked: readonly number[]): void {
    this.#block = block;
    this.#picked = picked;
    // Looked at once for all records of the block.
    this.#text = isAscii(block.bytes) ? 'ascii' : isUtf8(block.bytes) ? 'utf8' : 'unknown';
  }

  job(at: number): Job | string {
    const { bytes, records } = this.#block;
    const record = this.#picked[at] as number;
    const [start, end] = [records.starts[record] as number, records.ends[record] as number];
    if (this.#text === 'unknown' && !isUtf8(bytes.subarray(start, end))) return NOT_UTF8;
    const text = this.#text === 'ascii' ? bytes.toString('latin1', start, end) : bytes.toString('utf8', start, end);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return notJson(error as Error);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'is no JSON object';
    return this.#rows ? this.#rows.job(Object.keys(value), Object.values(value)) : (value as Job);
  }
}

/** A record is a row; the first one of the file names the columns. */
export class CsvDecoder implements Decoder {
  readonly #name: string;
  readonly #rows: Rows;
  #columns: readonly string[] = [];
  #cells: readonly (readonly string[] | string)[] = [];

  constructor(name: string, rows: Rows) {
    this.#name = name;
    this.#rows = rows;
  }

  /** Throws `ERR_INPUT` where no row can be right. */
  header(block: Block): void {
    this.begin(block, [0]);
    const cells = this.#cells[0] as readonly string[] | string;
    const problem = typeof cells === 'string' ? cells : this.#rows.columnsProblem(cells);
    if (problem !== undefined) throw broken(this.#name, block.records.lines[0] as number, problem);
    this.#columns = cells as readonly string[];
  }

  begin({ bytes, records }: Block, picked: readonly number[]): void {
    const bytesOf = (record: number) => bytes.subarray(records.starts[record], records.ends[record]);
    const good = isUtf8(bytes) ? picked : picked.filter((record) => isUtf8(bytesOf(record)));
    const rows = csvRows(good.map(bytesOf), (at) => `${this.#name}:${records.lines[good[at] as number]}`);
    let next = 0;
    this.#cells =
      good === picked ? rows : picked.map((record) => (good[next] === record ? (rows[next++] as string[]) : NOT_UTF8));
  }

  job(at: number): Job | string {
    const cells = this.#cells[at] as readonly string[] | string;
    if (typeof cells === 'string') return cells;
    const wanted = this.#columns.length;
    if (cells.length !== wanted)
      return `has ${cells.length} ${cells.length === 1 ? 'cell' : 'cells'}, and there are ${wanted} columns`;
    return this.#rows.job(this.#columns, cells);
  }
}

/** The parser's own words quote the line, which may hold what is secret. */
function notJson({ message }: Error): string {
  const position = /at position (\d+)/.exec(message)?.[1];
  if (position !== undefined) return `is not JSON (at character ${Number(position) + 1})`;
  return /end of JSON/.test(message) ? 'is not JSON: it ends too early' : 'is not JSON';
}
