import { grouped } from '../util/grouped.js';
import { FieldError } from './field-error.js';

const MOST_DEPTH = 64;
const MOST_KEYS = 10_000;
/** A shorter text is neither too deep nor has it too many keys. */
const HARMLESS = 2 * MOST_DEPTH;
const PROTO = '__proto__';
/** A name that is refused, or anything that could spell one. */
const SUSPECT = /__proto__|constructor|\\u/;

/**
 * The value of a JSON text; throws `ERR_INPUT`, which shows nothing of the text: it may be secret. Refused are what nests
 * deeper than 64 or has more than 10,000 keys, which nothing here needs, and names by which a careless copy would change
 * what all objects inherit.
 */
export function parseJson(text: string, what = 'body'): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const at = /at position (\d+)/.exec((error as Error).message)?.[1];
    throw bad(what, `is not JSON${at === undefined ? '' : ` (at character ${at})`}`);
  }
  if (text.length > HARMLESS || SUSPECT.test(text)) walk(value, what, 1, { keys: 0 });
  return value;
}

function walk(value: unknown, what: string, depth: number, seen: { keys: number }): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > MOST_DEPTH) throw bad(what, `nests deeper than ${MOST_DEPTH}`);
  if (Array.isArray(value)) {
    for (const item of value) walk(item, what, depth + 1, seen);
    return;
  }
  for (const key in value) {
    if (++seen.keys > MOST_KEYS) throw bad(what, `has more than ${grouped(MOST_KEYS)} keys`);
    if (key === PROTO) throw bad(what, `has a key ${PROTO}`);
    const inner = (value as Record<string, unknown>)[key];
    if (key === 'constructor' && typeof inner === 'object' && inner !== null && Object.hasOwn(inner, 'prototype'))
      throw bad(what, 'has a key constructor.prototype');
    walk(inner, what, depth + 1, seen);
  }
}

function bad(field: string, detail: string): FieldError {
  return new FieldError('ERR_INPUT', [{ field, detail }]);
}
