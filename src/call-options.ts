import { DEFAULT_CEILING_MS, type TimeoutOptions } from './adaptive/timeouts.js';
import { isWindow } from './batch/window.js';
import { checkPatterns } from './cache/pattern.js';
import { checkCacheOptions } from './cache/plan.js';
import { KeylaneError } from './errors.js';

const LONGEST_MS = 30 * 86_400_000;
export const MOST_LABELS = 32;
/** Characters of a label. */
export const LONGEST_LABEL = 256;
const LONGEST_ID = 256;
const MOST_WAVES = 200;
const SHARE = /^\d+(?:\.\d+)?%$/;
/** It is the name of a directory. */
const BATCH_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** W3C Trace Context, level 1: version, trace, parent, flags. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const LABELS = `an array of at most ${MOST_LABELS} strings of 1 to ${LONGEST_LABEL} characters`;

const CHECKS: Record<string, { valid: (value: unknown) => boolean; expected: string }> = {
  timeoutMs: {
    valid: (value) => isNumber(value, 0, LONGEST_MS),
    expected: `milliseconds from 0 (none) to ${LONGEST_MS}`,
  },
  timeoutOrAuto: {
    valid: (value) => value === 'auto' || isNumber(value, 0, LONGEST_MS),
    expected: `milliseconds from 0 (none) to ${LONGEST_MS}, or 'auto'`,
  },
  timeoutFloorMs: {
    valid: (value) => isNumber(value, 1, LONGEST_MS),
    expected: `milliseconds from 1 to ${LONGEST_MS}`,
  },
  timeoutCeilingMs: {
    valid: (value) => isNumber(value, 1, LONGEST_MS),
    expected: `milliseconds from 1 to ${LONGEST_MS}`,
  },
  signal: { valid: (value) => value instanceof AbortSignal, expected: 'an AbortSignal' },
  idempotent: { valid: (value) => typeof value === 'boolean', expected: 'true or false' },
  attempts: { valid: (value) => isWhole(value, 1, 100), expected: 'a whole number from 1 to 100' },
  priority: { valid: (value) => isWhole(value, -10, 10), expected: 'a whole number from -10 to 10' },
  labels: { valid: areLabels, expected: LABELS },
  labelsOrFunction: { valid: (value) => isFunction(value) || areLabels(value), expected: `${LABELS}, or a function` },
  concurrency: { valid: isConcurrency, expected: "a whole number from 1 to 1,000,000, or 'auto'" },
  concurrencyPerKey: { valid: isConcurrency, expected: "a whole number from 1 to 1,000,000, or 'auto'" },
  onChunk: { valid: isFunction, expected: 'a function' },
  onStart: { valid: isFunction, expected: 'a function' },
  each: { valid: isFunction, expected: 'a function' },
  rate: { valid: (value) => isNumber(value, 0.001, 1_000_000), expected: 'starts per second, 0.001 to 1,000,000' },
  maxFailures: {
    valid: (value) => isWhole(value, 1, 1e12) || isShare(value),
    expected: "a whole number from 1 on, or a share of 0.01 % to 100 %, as '5%'",
  },
  canary: { valid: (value) => isWhole(value, 1, 1_000_000), expected: 'a whole number from 1 to 1,000,000' },
  waves: {
    valid: (value) => areLabels(value, MOST_WAVES) && (value as string[]).length > 0,
    expected: `an array of 1 to ${MOST_WAVES} labels`,
  },
  window: { valid: isWindow, expected: "two times of the day, as '22:00-06:00'" },
  journal: { valid: (value) => typeof value === 'boolean', expected: 'true or false' },
  id: {
    valid: (value) => typeof value === 'string' && BATCH_ID.test(value),
    expected: '1 to 64 letters, digits, `.`, `_` and `-`, the first a letter or digit',
  },
  resume: { valid: (value) => typeof value === 'boolean', expected: 'true or false' },
  settings: { valid: () => true, expected: '' },
  maxOutputTotal: { valid: (value) => isWhole(value, 0, Number.MAX_SAFE_INTEGER), expected: 'bytes, from 0 on' },
  jobId: {
    valid: (value) => typeof value === 'string' && value.length >= 1 && value.length <= LONGEST_ID,
    expected: `a string of 1 to ${LONGEST_ID} characters`,
  },
  after: {
    valid: (value) => Array.isArray(value) && value.every((id) => typeof id === 'string'),
    expected: 'an array of ids',
  },
  traceparent: {
    valid: (value) => typeof value === 'string' && TRACEPARENT.test(value),
    expected:
      'as `00-<32 hex digits>-<16 hex digits>-<2 hex digits>` of W3C Trace Context, in lower case and not all zeros',
  },
  driver: { valid: (value) => typeof value === 'string', expected: 'the name of a driver' },
  request: { valid: () => true, expected: '' },
  // These two have parts of their own, and say themselves what is wrong with them.
  cache: { valid: passes(checkCacheOptions), expected: '' },
  invalidates: { valid: passes((value) => checkPatterns(value, 'invalidates')), expected: '' },
  perKey: { valid: (value) => isWhole(value, 1, 10_000), expected: 'a whole number from 1 to 10,000' },
};

const PER_CALL = [
  'timeoutMs',
  'timeoutFloorMs',
  'timeoutCeilingMs',
  'signal',
  'idempotent',
  'attempts',
  'priority',
  'labels',
  'cache',
  'invalidates',
  'traceparent',
];
export const RUN_OPTIONS = new Set(PER_CALL);
export const STREAM_OPTIONS = new Set(['timeoutMs', 'signal', 'priority', 'labels', 'traceparent']);
const OF_BATCHES = [
  ...PER_CALL,
  'concurrency',
  'concurrencyPerKey',
  'onChunk',
  'onStart',
  'rate',
  'maxFailures',
  'canary',
  'waves',
  'window',
  'journal',
  'id',
  'resume',
  'settings',
  'maxOutputTotal',
];
export const BATCH_OPTIONS = new Set([...OF_BATCHES, 'each']);
/** Of a batch whose requests say for themselves what is theirs. */
export const JOBS_OPTIONS = new Set([...OF_BATCHES, 'driver']);
const EACH_OPTIONS = new Set([
  'id',
  'idempotent',
  'timeoutMs',
  'attempts',
  'priority',
  'labels',
  'after',
  'traceparent',
]);
const JOB_FIELDS = new Set([...EACH_OPTIONS, 'driver', 'request']);
/** Without one, an option of a journal has no meaning. */
const NEED_JOURNAL = ['id', 'resume', 'settings', 'maxOutputTotal'];
export const PREWARM_OPTIONS = new Set(['perKey', 'timeoutMs', 'signal']);

/** Checked by hand: it is on the path of every request. Throws `ERR_INPUT` that names the option and what it takes. */
export function checkCallOptions(options: object, known: ReadonlySet<string>): void {
  for (const name in options) {
    const value = (options as Record<string, unknown>)[name];
    if (value === undefined) continue;
    const check = CHECKS[inThisCall(name, known)];
    if (!check || !known.has(name)) {
      throw new KeylaneError('ERR_INPUT', `unknown option \`${name}\`: this call takes ${[...known].join(', ')}`);
    }
    if (!check.valid(value)) {
      throw new KeylaneError('ERR_INPUT', `\`${name}\` must be ${check.expected}, not ${shown(value)}`);
    }
  }
  checkTimeouts(options);
  checkCache(options);
  checkJournal(options as Record<string, unknown>, known);
}

/** What a job says for itself; `isWhole`: beside its request. Throws `ERR_INPUT`. */
export function checkJob(job: unknown, isWhole: boolean): void {
  if (job === undefined && !isWhole) return;
  if (typeof job !== 'object' || job === null) {
    const what = isWhole ? 'a job must be an object with a `request`' : '`each` must give an object';
    throw new KeylaneError('ERR_INPUT', `${what}, not ${shown(job)}`);
  }
  checkCallOptions(job, isWhole ? JOB_FIELDS : EACH_OPTIONS);
}

function checkJournal(options: Record<string, unknown>, known: ReadonlySet<string>): void {
  if (!known.has('journal')) return;
  if (options.journal !== true) {
    const name = NEED_JOURNAL.find((one) => options[one] !== undefined);
    if (name) throw new KeylaneError('ERR_INPUT', `\`${name}\` goes with \`journal: true\``);
  }
  if (options.resume === true && options.id === undefined)
    throw new KeylaneError('ERR_INPUT', '`resume` goes with the `id` of the batch');
}

/** A request that changes something is not to be answered out of memory; what comes out of it has no live output. */
function checkCache({
  cache,
  invalidates,
  onChunk,
}: {
  cache?: unknown;
  invalidates?: unknown;
  onChunk?: unknown;
}): void {
  if (!cache) return;
  if (invalidates !== undefined)
    throw new KeylaneError('ERR_INPUT', '`cache` does not go with `invalidates`: what changes something must run');
  if (onChunk !== undefined)
    throw new KeylaneError('ERR_INPUT', '`cache` does not go with `onChunk`: what is remembered has no live output');
}

/** Some calls take more than others. */
function inThisCall(name: string, known: ReadonlySet<string>): string {
  if (name === 'labels' && known.has('journal')) return 'labelsOrFunction';
  if (name === 'id' && known.has('after')) return 'jobId';
  return name === 'timeoutMs' && (known.has('timeoutFloorMs') || known.has('after')) ? 'timeoutOrAuto' : name;
}

/** The bounds of a learned time-out. */
function checkTimeouts({ timeoutMs, timeoutFloorMs: floor, timeoutCeilingMs: ceiling }: TimeoutOptions): void {
  if (floor === undefined && ceiling === undefined) return;
  if (timeoutMs !== 'auto') {
    const name = floor === undefined ? 'timeoutCeilingMs' : 'timeoutFloorMs';
    throw new KeylaneError('ERR_INPUT', `\`${name}\` goes with \`timeoutMs: 'auto'\``);
  }
  const most = ceiling ?? DEFAULT_CEILING_MS;
  if (floor !== undefined && floor > most) {
    throw new KeylaneError(
      'ERR_INPUT',
      `\`timeoutFloorMs\` must be at most \`timeoutCeilingMs\` (${most}), not ${floor}`,
    );
  }
}

/** What a batch's function says are the labels of a request. */
export function checkLabels(labels: unknown): readonly string[] | undefined {
  if (labels === undefined || areLabels(labels)) return labels as readonly string[] | undefined;
  throw new KeylaneError('ERR_INPUT', `\`labels\` must give ${LABELS}, not ${shown(labels)}`);
}

/** An object may have no text, or one that throws. */
export function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

function areLabels(value: unknown, most = MOST_LABELS): boolean {
  return Array.isArray(value) && value.length <= most && value.every(isLabel);
}

function isShare(value: unknown): boolean {
  return typeof value === 'string' && SHARE.test(value) && isNumber(Number.parseFloat(value), 0.01, 100);
}

function isLabel(value: unknown): boolean {
  return typeof value === 'string' && value.length >= 1 && value.length <= LONGEST_LABEL;
}

function passes(check: (value: unknown) => void): (value: unknown) => true {
  return (value) => {
    check(value);
    return true;
  };
}

function isNumber(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && isNumber(value, least, most);
}

function isConcurrency(value: unknown): boolean {
  return value === 'auto' || isWhole(value, 1, 1_000_000);
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}

export function checkIterable(value: unknown): void {
  const isIterable =
    typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
  if (!isIterable)
    throw new KeylaneError('ERR_INPUT', '`requests` must be an iterable or an async iterable of requests');
}
