import { KeylaneError } from '../errors.js';
import { globMatches } from '../util/glob.js';

/** What an answer that is remembered can be named by. */
export interface Named {
  readonly key: string;
  /** `<operation>:<the first 8 hex digits of its digest>` */
  readonly name: string;
  readonly tags: readonly string[];
}

const LONGEST = 1_024;
const MOST = 1_000;
const BY_KEY = 'key:';

/**
 * Does a pattern name this answer? `key:<key>` is all of a key, to the letter; any other is a glob (`*` any characters, `?`
 * one) that the answer's name or one of its tags must match as a whole.
 */
export function matches(pattern: string, { key, name, tags }: Named): boolean {
  if (pattern.startsWith(BY_KEY)) return pattern.length === BY_KEY.length + key.length && pattern.endsWith(key);
  return globMatches(pattern, name) || tags.some((tag) => globMatches(pattern, tag));
}

/** Does one of these patterns name the answer? */
export function matchesAny(patterns: readonly string[], answer: Named): boolean {
  return patterns.some((pattern) => matches(pattern, answer));
}

/** Throws `ERR_INPUT` that names the list and what is wrong with it. */
export function checkPatterns(patterns: unknown, what: string): asserts patterns is readonly string[] {
  const valid = Array.isArray(patterns) && patterns.length <= MOST && patterns.every(isPattern);
  if (valid) return;
  const expected = `an array of at most ${MOST} patterns of 1 to ${LONGEST} characters: \`key:<key>\`, a tag, or a glob such as \`vm_list:*\``;
  throw new KeylaneError(
    'ERR_INPUT',
    `\`${what}\` must be ${expected}, not ${Array.isArray(patterns) ? 'this one' : String(patterns)}`,
  );
}

function isPattern(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= LONGEST && value !== BY_KEY;
}
