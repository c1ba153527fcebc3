import { exitOf, type ReportedLine, readLine } from './result-line.js';

type Cell = string | number | null | undefined;

/** `index` to `run_ms` are what a line of NDJSON says; `response` is what another driver than `ssh` answered, as JSON. */
const COLUMNS: readonly (readonly [string, (line: ReportedLine) => Cell])[] = [
  ['index', ({ index }) => index],
  ['id', ({ id }) => id],
  ['host', ({ host }) => host],
  ['key', ({ key }) => key],
  ['outcome', ({ outcome }) => outcome],
  ['code', (line) => exitOf(line)?.code],
  ['signal', (line) => exitOf(line)?.signal],
  ['stdout', ({ response }) => outputOf(response, 'stdout')],
  ['stderr', ({ response }) => outputOf(response, 'stderr')],
  ['error_code', ({ error }) => error?.code],
  ['error_message', ({ error }) => error?.message],
  ['attempts', ({ attempts }) => attempts],
  ['shard', ({ shard }) => (shard < 0 ? undefined : shard)],
  ['queued_ms', ({ timing }) => timing.queuedMs],
  ['open_ms', ({ timing }) => timing.openMs],
  ['run_ms', ({ timing }) => timing.runMs],
  ['response', ({ response }) => otherAnswer(response)],
];

/** Results as comma-separated values (RFC 4180, UTF-8): lines end with CR LF, the first one names the columns. */
export async function* csvOf(lines: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string> {
  yield rowOf(COLUMNS.map(([name]) => name));
  for await (const line of lines) {
    const result = readLine(line);
    yield rowOf(COLUMNS.map(([, cell]) => cell(result)));
  }
}

function rowOf(cells: readonly Cell[]): string {
  return `${cells.map(write).join()}\r\n`;
}

/** Numbers are ours. Texts come from elsewhere, and a spreadsheet takes one that begins so for a formula (OWASP, "CSV Injection"). */
function write(cell: Cell): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell === 'number') return String(cell);
  const text = FORMULA.test(cell) ? `'${cell}` : cell;
  return QUOTED.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const FORMULA = /^[=+\-@\t\r]/;
/** Spaces at either end are not dropped by who trims cells if they are quoted. */
const QUOTED = /[",\r\n]|^\s|\s$/;

/** Bytes that are not UTF-8 stay as the line has them: `{"base64":"…"}`. */
function outputOf(response: unknown, name: 'stdout' | 'stderr'): string | undefined {
  if (!isAnswerOfCommand(response)) return undefined;
  const output = response[name];
  return typeof output === 'string' ? output : JSON.stringify(output);
}

function otherAnswer(response: unknown): string | undefined {
  return isAnswerOfCommand(response) ? undefined : JSON.stringify(response);
}

function isAnswerOfCommand(response: unknown): response is Record<string, unknown> {
  return typeof response === 'object' && response !== null && 'stdout' in response && 'code' in response;
}
