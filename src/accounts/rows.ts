import { KeylaneError } from '../errors.js';
import { type CsvRow, parseCsv } from '../util/csv.js';
import { nearest } from '../util/nearest.js';

/** What a file of accounts holds, as `accounts.import` takes it: `import(parsed.accounts, { where: parsed.where })`. */
export interface ParsedAccounts {
  /** Accounts, not checked yet; in place of a row that cannot be read, why. */
  accounts: (object | KeylaneError)[];
  /** `FILE:LINE` of each. */
  where(index: number): string;
}

export type AccountsFormat = 'csv' | 'json' | 'ndjson';

/**
 * Reads a file of accounts; `file` is what messages call it. CSV begins with a row that names the columns, JSON is an
 * array of accounts, NDJSON an account a line. Nothing of a value is in any message: it may be a secret by mistake.
 *
 * @throws KeylaneError `ERR_INPUT` where the file as a whole cannot be read.
 */
export function parseAccounts(text: string, format: AccountsFormat, file = 'input'): ParsedAccounts {
  const rows = READERS[format]?.(text.replace(/^\ufeff/, ''), file);
  if (!rows)
    throw new KeylaneError('ERR_INPUT', `\`format\` must be one of csv, json, ndjson, not ${JSON.stringify(format)}`);
  return { accounts: rows.map(({ account }) => account), where: (index) => `${file}:${rows[index]?.line ?? '?'}` };
}

interface Row {
  line: number;
  account: object | KeylaneError;
}

const READERS: Readonly<Record<AccountsFormat, (text: string, file: string) => Row[]>> = { csv, json, ndjson };

/** Column → where it goes. `oauth.clientId`, `clientId` and `client_id` name the same. */
const COLUMNS: ReadonlyMap<string, readonly string[]> = new Map(
  [
    'name driver user identity labels',
    'endpoint.host endpoint.port endpoint.jump endpoint.knownHosts endpoint.hostKeys',
    'endpoint.tls endpoint.ca endpoint.servername endpoint.auth endpoint.clientName endpoint.sourceAddress endpoint.preset',
    'secrets.password secrets.passphrase',
    'oauth.grant oauth.tokenUrl oauth.issuer oauth.deviceUrl oauth.clientId oauth.clientSecret oauth.clientAuth',
    'oauth.refreshToken oauth.scope oauth.audience',
    'limits.timeoutMs limits.maxOutputBytes limits.connections limits.messagesPerMinute limits.recipientsPerDay',
  ]
    .flatMap((line) => line.split(' '))
    .flatMap((column) => {
      const path = column.split('.');
      return [column, path.at(-1) as string].map((name) => [plain(name), path] as const);
    }),
);
const NUMBERS: ReadonlySet<string> = new Set([
  ...['port', 'timeoutMs', 'maxOutputBytes'],
  ...['connections', 'messagesPerMinute', 'recipientsPerDay'],
]);
/** More of them in one cell have a semicolon between. */
const LISTS: ReadonlySet<string> = new Set(['labels', 'identity', 'knownHosts']);
const SHORT_NAMES = [...new Set([...COLUMNS.values()].map((path) => path.at(-1) as string))];

function plain(column: string): string {
  return column.toLowerCase().replace(/[\s_-]/g, '');
}

function csv(text: string, file: string): Row[] {
  const [header, ...rows] = parseCsv(text, file);
  if (!header) throw new KeylaneError('ERR_INPUT', `${file}: is empty; its first line names the columns`);
  const paths = columnsOf(header, file);
  return rows.map((row) => ({ line: row.line, account: ofCells(row, paths, file) }));
}

function columnsOf({ line, cells }: CsvRow, file: string): (readonly string[])[] {
  const paths = cells.map((cell) => COLUMNS.get(plain(cell)));
  // Without one that is known, these are no names but perhaps somebody's password.
  if (!paths.some((path) => path?.[0] === 'name')) {
    throw new KeylaneError(
      'ERR_INPUT',
      `${file}:${line}: the first line names the columns, one of them \`name\`; known are ${SHORT_NAMES.join(', ')}`,
    );
  }
  return paths.map((path, i) => {
    const cell = (cells[i] as string).slice(0, 60);
    if (!path) {
      const near = nearest(cell, SHORT_NAMES);
      const hint = near === undefined ? `known are ${SHORT_NAMES.join(', ')}` : `did you mean ${near}?`;
      throw new KeylaneError('ERR_INPUT', `${file}:${line}: unknown column ${JSON.stringify(cell)}; ${hint}`);
    }
    if (paths.indexOf(path) < i)
      throw new KeylaneError('ERR_INPUT', `${file}:${line}: the column ${path.join('.')} is there twice`);
    return path;
  });
}

/** An empty cell says nothing. */
function ofCells({ line, cells }: CsvRow, paths: readonly (readonly string[])[], file: string): object | KeylaneError {
  if (cells.length > paths.length) {
    const counts = `${cells.length} cells for ${paths.length} columns`;
    return new KeylaneError('ERR_INPUT', `${file}:${line}: ${counts}; a cell with a comma in it goes in quotes`);
  }
  const account: Record<string, unknown> = {};
  for (const [i, cell] of cells.entries()) {
    if (cell === '') continue;
    const [first, second] = paths[i] as [string, string?];
    if (second === undefined) account[first] = cellValue(first, cell);
    else account[first] = { ...(account[first] as object), [second]: cellValue(second, cell) };
  }
  return account;
}

function cellValue(field: string, cell: string): unknown {
  if (NUMBERS.has(field)) return /^\d{1,15}$/.test(cell) ? Number(cell) : cell;
  if (!LISTS.has(field)) return cell;
  const parts = cell.split(';').map((part) => part.trim());
  const list = parts.filter((part) => part !== '');
  return field === 'labels' || list.length > 1 ? list : list[0];
}

function json(text: string, file: string): Row[] {
  const accounts = parsed(text);
  if (accounts === undefined) throw notJson(file);
  if (!Array.isArray(accounts)) throw new KeylaneError('ERR_INPUT', `${file}: expected an array of accounts`);
  const lines = linesOfItems(text);
  return accounts.map((account, i) => ({ line: lines[i] ?? 1, account: orProblem(account, `${file}:${lines[i]}`) }));
}

function ndjson(text: string, file: string): Row[] {
  const rows: Row[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const where = `${file}:${i + 1}`;
    const account = parsed(line);
    rows.push({ line: i + 1, account: account === undefined ? notJson(where) : orProblem(account, where) });
  }
  return rows;
}

/** Undefined where it is not JSON. The parser's own message quotes what is around the mistake. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function notJson(where: string): KeylaneError {
  return new KeylaneError('ERR_INPUT', `${where}: is not valid JSON`);
}

function orProblem(account: unknown, where: string): object | KeylaneError {
  if (typeof account === 'object' && account !== null) return account;
  return new KeylaneError('ERR_INPUT', `${where}: expected an account, an object`);
}

/** The line where each item of the outermost array begins. Only of what is valid JSON. */
function linesOfItems(text: string): number[] {
  const lines: number[] = [];
  let line = 1;
  let depth = 0;
  let awaited = false;
  // Strings as a whole: nothing in them counts. They hold no line ends.
  for (const [token] of text.matchAll(/"(?:[^"\\]+|\\.)*"|[\n[\]{},]|[^\s"[\]{},]+/g)) {
    if (token === '\n') {
      line++;
      continue;
    }
    if (awaited && token !== ']') lines.push(line);
    awaited = depth === 0 || (depth === 1 && token === ',');
    if (token === '[' || token === '{') depth++;
    else if (token === ']' || token === '}') depth--;
  }
  return lines;
}
