import { KeylaneError } from '../errors.js';
import type { CacheOptions, Parsed } from '../types.js';
import type { CachePart } from '../wire/protocol.js';
import { digestOf } from './digest.js';

/** How one request is to be remembered. */
export interface CachePlan {
  readonly operation: string;
  readonly key: string;
  /** What its shard is told. */
  part: CachePart;
  /** On disk too. */
  readonly persist: boolean;
  /** Where the disk's log ended before anything was fetched; undefined where nothing is kept on disk. */
  startSeq: number | undefined;
}

/** How old answers may be where the call does not say. */
export interface TtlOptions {
  readonly defaultTtlMs: number;
  /** By operation. */
  readonly ttlMs: Readonly<Record<string, number>>;
}

const YEAR_MS = 365 * 86_400_000;
const MOST_TAGS = 32;
const LONGEST_TAG = 256;
const LONGEST_OPERATION = 128;
const isTtl = (value: unknown) => isNumber(value) && value > 0 && value <= YEAR_MS;

const CHECKS: Record<keyof CacheOptions, { valid: (value: unknown) => boolean; expected: string }> = {
  ttlMs: { valid: isTtl, expected: `milliseconds, more than 0 and at most ${YEAR_MS}` },
  negativeTtlMs: { valid: isTtl, expected: `milliseconds, more than 0 and at most ${YEAR_MS}` },
  staleWhileRevalidateMs: {
    valid: (value) => isNumber(value) && value >= 0 && value <= YEAR_MS,
    expected: `milliseconds from 0 to ${YEAR_MS}`,
  },
  tags: {
    valid: (value) => Array.isArray(value) && value.length <= MOST_TAGS && value.every(isTag),
    expected: `an array of at most ${MOST_TAGS} strings of 1 to ${LONGEST_TAG} characters that do not begin with \`key:\``,
  },
  persist: { valid: isBoolean, expected: 'true or false' },
  fresh: { valid: isBoolean, expected: 'true or false' },
  operation: {
    valid: isOperation,
    expected: `1 to ${LONGEST_OPERATION} characters without \`:\`, \`*\` and \`?\`, and not \`key\``,
  },
};

/** What `cache` may be. Throws `ERR_INPUT` that names the part and what it takes. */
export function checkCacheOptions(cache: unknown): asserts cache is boolean | CacheOptions | undefined {
  if (cache === undefined || typeof cache === 'boolean') return;
  if (typeof cache !== 'object' || cache === null || Array.isArray(cache)) {
    const shown = Array.isArray(cache) ? 'an array' : String(cache);
    throw new KeylaneError('ERR_INPUT', `\`cache\` must be true, false or an object, not ${shown}`);
  }
  for (const [name, value] of Object.entries(cache)) {
    if (!Object.hasOwn(CHECKS, name))
      throw new KeylaneError(
        'ERR_INPUT',
        `unknown option \`cache.${name}\`: it takes ${Object.keys(CHECKS).join(', ')}`,
      );
    const { valid, expected } = CHECKS[name as keyof CacheOptions];
    if (value !== undefined && !valid(value)) {
      const shown = typeof value === 'object' ? 'an object' : String(value);
      throw new KeylaneError('ERR_INPUT', `\`cache.${name}\` must be ${expected}, not ${shown}`);
    }
  }
}

/** Throws `ERR_INPUT` where the request has no fixed form. The options are checked already. */
export function planOf(driver: string, parsed: Parsed, options: true | CacheOptions, ttls: TtlOptions): CachePlan {
  const given = options === true ? NOTHING : options;
  const { operation = driver, tags = NO_TAGS, persist = false, fresh = false } = given;
  const digest = digestOf(operation, driver, parsed);
  const part: CachePart = {
    digest,
    name: `${operation}:${digest.slice(0, 8)}`,
    tags,
    ttlMs:
      given.ttlMs ?? (Object.hasOwn(ttls.ttlMs, operation) ? ttls.ttlMs[operation] : undefined) ?? ttls.defaultTtlMs,
    ownTtl: given.ttlMs !== undefined,
    staleMs: given.staleWhileRevalidateMs ?? 0,
    negativeMs: given.negativeTtlMs ?? 0,
    fresh,
  };
  return { operation, key: parsed.key, part, persist, startSeq: undefined };
}

/** The same for another request, which an answer led on to. Throws `ERR_INPUT` where that has no fixed form. */
export function planAfter(
  { operation, part, persist, startSeq }: CachePlan,
  driver: string,
  parsed: Parsed,
): CachePlan {
  const digest = digestOf(operation, driver, parsed);
  const name = `${operation}:${digest.slice(0, 8)}`;
  return {
    operation,
    key: parsed.key,
    part: { ...part, digest, name, etag: undefined, old: undefined },
    persist,
    startSeq,
  };
}

const NOTHING: CacheOptions = Object.freeze({});
const NO_TAGS: readonly string[] = Object.freeze([]);

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean';
}

function isTag(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= LONGEST_TAG && !value.startsWith('key:');
}

/** A name is `<operation>:<digits>`, and `key:` begins the pattern of a key. */
function isOperation(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= LONGEST_OPERATION &&
    !/[:*?]/.test(value) &&
    value !== 'key'
  );
}
