import type { Job, JobOptions } from '../../batch-types.js';
import { checkCallOptions } from '../../call-options.js';
import { KeylaneError } from '../../errors.js';
import { requestProblem } from '../../specs/request-check.js';
import { grouped } from '../../util/grouped.js';
import { nearest } from '../../util/nearest.js';

/** What the fields of a job may be, besides the request: those of its driver. */
export interface JobRules {
  /** Of jobs that name none. */
  driver: string;
  /** Those that a job may name; undefined: any. */
  drivers: ReadonlySet<string> | undefined;
  /** Whoever wants to refuse more says why, by throwing a KeylaneError. */
  check?: ((driver: string, request: unknown) => void) | undefined;
}

/** What stands beside the request. */
export const OPTION_FIELDS = [
  'id',
  'driver',
  'idempotent',
  'timeoutMs',
  'attempts',
  'priority',
  'labels',
  'after',
  'traceparent',
] as const satisfies readonly (keyof JobOptions | 'driver')[];
const FIELDS: ReadonlySet<string> = new Set([...OPTION_FIELDS, 'request']);
/** Those that a call takes too: there they are checked. */
const CALL_FIELDS = ['idempotent', 'timeoutMs', 'attempts', 'priority', 'labels', 'traceparent'] as const;
// `timeoutMs` may be 'auto' where a call takes its bounds.
const CALL_OPTIONS: ReadonlySet<string> = new Set([...CALL_FIELDS, 'timeoutFloorMs']);

const DEEPEST = 64;
const LONGEST_ID = 256;
const MOST_AFTER = 1_000;

/** What is wrong with a job, as far as it can be told without running it; undefined where nothing is. */
export function jobProblem(job: Job, { driver: usual, drivers, check }: JobRules): string | undefined {
  if (isTooDeep(job, DEEPEST)) return `is nested deeper than ${DEEPEST} levels, or has a field \`__proto__\``;
  let called = false;
  for (const field in job) {
    if (!FIELDS.has(field)) return unknownField(field);
    called ||= field !== 'request' && field !== 'id';
  }
  if (!('request' in job)) return 'it has no `request`';
  const { id, driver = usual } = job;
  if (id !== undefined && !isId(id)) return `\`id\` must be ${ID}`;
  if (called) {
    const problem = optionsProblem(job, drivers);
    if (problem !== undefined) return problem;
  }
  const problem = requestProblem(driver, job.request);
  if (problem !== undefined || !check) return problem;
  return saidBy(() => check(driver, job.request));
}

const ID = `a text of 1 to ${LONGEST_ID} characters without control characters`;

function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= LONGEST_ID && !/[\p{Cc}\p{Cs}]/u.test(value);
}

function unknownField(field: string): string {
  const near = nearest(field, FIELDS);
  return `unknown field \`${shown(field)}\`; ${near ? `did you mean \`${near}\`?` : `a job has ${[...FIELDS].join(', ')}`}`;
}

function optionsProblem(job: Job, drivers: JobRules['drivers']): string | undefined {
  const { driver, after } = job;
  if (driver !== undefined) {
    if (typeof driver !== 'string' || driver === '') return '`driver` must be the name of a driver';
    if (drivers && !drivers.has(driver))
      return `there is no driver \`${shown(driver)}\`, but ${[...drivers].join(', ')}`;
  }
  if (after !== undefined && !(Array.isArray(after) && after.length <= MOST_AFTER && after.every(isId)))
    return `\`after\` must be an array of at most ${grouped(MOST_AFTER)} ids of other jobs`;
  const options: Record<string, unknown> = {};
  for (const field of CALL_FIELDS) {
    if (!(field in job)) continue;
    // What is not said is left out: in JSON nothing is undefined.
    options[field] = job[field];
  }
  return saidBy(() => checkCallOptions(options, CALL_OPTIONS));
}

function saidBy(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof KeylaneError) return error.message;
    throw error;
  }
}

/** What comes after walks down into a value: the depth is bounded here, once. */
function isTooDeep(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (left === 0) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (isTooDeep(item, left - 1)) return true;
    return false;
  }
  for (const field in value) {
    if (field === '__proto__' || isTooDeep((value as Record<string, unknown>)[field], left - 1)) return true;
  }
  return false;
}

/** A name of the file in a message: it may be anything. */
export function shown(name: string): string {
  const line = name.replace(/[\p{Cc}\p{Cs}]/gu, '?');
  return line.length > 60 ? `${line.slice(0, 60)}…` : line;
}
