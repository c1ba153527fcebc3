import { csvOf } from './csv.js';
import { junitOf } from './junit.js';

export type ExportFormat = 'ndjson' | 'csv' | 'junit';

export interface Exported {
  /** The batch's. */
  id: string;
  /** By the wall clock. */
  createdAt: number;
  /** Its results as lines of JSON, without line ends; may be asked for twice. */
  lines(): AsyncIterable<string> | Iterable<string>;
}

/**
 * A batch's results in one of the formats, as pieces of text of some 64 KiB. Memory does not grow with the batch: only
 * `junit` keeps a bit for each request, because its counts come first.
 */
export function exportResults(format: ExportFormat, exported: Exported): AsyncGenerator<string> {
  return inPieces(PIECES[format](exported));
}

const PIECES: Record<ExportFormat, (exported: Exported) => AsyncIterable<string>> = {
  ndjson: ndjsonOf,
  csv: (exported) => csvOf(exported.lines()),
  junit: junitOf,
};

async function* ndjsonOf(exported: Exported): AsyncGenerator<string> {
  for await (const line of exported.lines()) yield `${line}\n`;
}

const PIECE = 65_536;

async function* inPieces(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let piece = '';
  for await (const text of texts) {
    piece += text;
    if (piece.length < PIECE) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}
