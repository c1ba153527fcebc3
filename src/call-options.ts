import { DEFAULT_CEILING_MS, type TimeoutOptions } from './adaptive/timeouts.js';
import { checkPatterns } from './cache/pattern.js';
import { checkCacheOptions } from './cache/plan.js';
import { KeylaneError } from './errors.js';

const LONGEST_MS = 30 * 86_400_000;
export const MOST_LABELS = 32;
/** Characters of a label. */
export const LONGEST_LABEL = 256;
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
];
export const RUN_OPTIONS = new Set(PER_CALL);
export const STREAM_OPTIONS = new Set(['timeoutMs', 'signal', 'priority', 'labels']);
export const BATCH_OPTIONS = new Set([...PER_CALL, 'concurrency', 'concurrencyPerKey', 'onChunk', 'onStart']);
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
  if (name === 'labels' && known === BATCH_OPTIONS) return 'labelsOrFunction';
  return name === 'timeoutMs' && known.has('timeoutFloorMs') ? 'timeoutOrAuto' : name;
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
function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

function areLabels(value: unknown): boolean {
  return Array.isArray(value) && value.length <= MOST_LABELS && value.every(isLabel);
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
