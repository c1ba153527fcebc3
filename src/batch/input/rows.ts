import type { Job } from '../../batch-types.js';
import { requestCell, requestFields } from '../../specs/request-check.js';
import { nearest } from '../../util/nearest.js';
import { OPTION_FIELDS, shown } from './job-check.js';
import type { Template } from './template.js';

/** Jobs out of rows of named cells: some columns are fields of the job, the others of its request or of the template. */
export class Rows {
  readonly #driver: string;
  readonly #template: Template | undefined;

  constructor(driver: string, template: Template | undefined) {
    this.#driver = driver;
    this.#template = template;
  }

  /** What is wrong with the names of the columns; undefined where nothing is. */
  columnsProblem(columns: readonly string[]): string | undefined {
    const twice = columns.find((name, at) => columns.indexOf(name) !== at);
    if (twice !== undefined) return `the column \`${shown(twice)}\` is there twice`;
    const unnamed = columns.indexOf('');
    if (unnamed >= 0) return `column ${unnamed + 1} has no name; the first line names the columns`;
    if (this.#template) {
      const missing = this.#template.problem((name) => (columns.includes(name) ? '' : undefined), columns);
      if (missing !== undefined) return missing;
      return columns.includes('host') || columns.includes('account') ? undefined : 'there is no column `host`';
    }
    const fields = columns.includes('driver') ? undefined : requestFields(this.#driver);
    const unknown = fields && columns.find((name) => !OPTIONS.has(name) && !fields.includes(name));
    if (unknown === undefined) return undefined;
    const near = nearest(unknown, [...OPTION_FIELDS, ...fields!]);
    return `unknown column \`${shown(unknown)}\`${near ? `; did you mean \`${near}\`?` : `: it is no field of a job nor of a request of ${this.#driver} (with a template it may be any)`}`;
  }

  /** The job of a row, or what is wrong with it. Cells of a file of text are all texts. */
  job(columns: readonly string[], cells: readonly unknown[]): Job | string {
    const job: Record<string, unknown> = {};
    const request: Record<string, unknown> = {};
    const driver = this.#driverOf(columns, cells);
    for (let at = 0; at < columns.length; at++) {
      const name = columns[at] as string;
      const cell = cells[at];
      // An empty cell says nothing.
      if (cell === '' || cell === undefined) continue;
      if (OPTIONS.has(name)) job[name] = typeof cell === 'string' ? optionCell(name, cell) : cell;
      else if (!this.#template || ADDRESS.has(name))
        set(request, name, typeof cell === 'string' ? requestCell(driver, name, cell) : cell);
    }
    if (this.#template) {
      const value = (field: string) => {
        const at = columns.indexOf(field);
        return at < 0 ? undefined : textOf(cells[at]);
      };
      const problem = this.#template.problem(value, columns);
      if (problem !== undefined) return problem;
      request.command = this.#template.fill(value as (field: string) => string);
    }
    job.request = request;
    return job as unknown as Job;
  }

  #driverOf(columns: readonly string[], cells: readonly unknown[]): string {
    const named = cells[columns.indexOf('driver')];
    return typeof named === 'string' && named !== '' ? named : this.#driver;
  }
}

const OPTIONS: ReadonlySet<string> = new Set(OPTION_FIELDS);
/** With a template: what of a row goes into the request besides the command. */
const ADDRESS: ReadonlySet<string> = new Set(['host', 'port', 'user', 'identity', 'account']);
const TEXTS: ReadonlySet<string> = new Set(['id', 'driver', 'traceparent']);
const LISTS: ReadonlySet<string> = new Set(['labels', 'after']);

function optionCell(name: string, text: string): unknown {
  if (LISTS.has(name))
    return text
      .split(';')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  if (name === 'idempotent') return text === 'true' ? true : text === 'false' ? false : text;
  if (TEXTS.has(name)) return text;
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

/** A row that is an object of JSON may hold more than texts. */
function textOf(cell: unknown): string | undefined {
  if (typeof cell === 'string') return cell;
  return typeof cell === 'number' || typeof cell === 'boolean' ? String(cell) : undefined;
}

/** A column may be called `__proto__`. */
function set(into: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(into, name, { value, enumerable: true });
  else into[name] = value;
}
