import { hash } from 'node:crypto';
import { KeylaneError } from '../errors.js';
import type { Parsed } from '../types.js';

/** Deeper than any request; a cycle ends here. */
const DEEPEST = 100;

/**
 * What an answer is remembered by: SHA-256 over the operation, the driver, the key, the lane and the request, as 64 hex
 * digits. Requests that are equal but for the order of their fields have one digest, and no other two have. The operation
 * is in it because an answer is invalidated by its name. Throws `ERR_INPUT` for what has no fixed form.
 */
export function digestOf(operation: string, driver: string, { key, lane, request }: Parsed): string {
  const text = written(operation, 0) + written(driver, 0) + written(key, 0) + written(lane, 0) + written(request, 0);
  // Not as UTF-8: it knows one lone surrogate only.
  return hash('sha256', Buffer.from(text, 'utf16le'), 'hex');
}

/** The value as text from which it could be read back. */
function written(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return `s${value.length}:${value}`;
    case 'number':
      // Zero has no sign on the way to a shard.
      return `n${value};`;
    case 'boolean':
      return value ? 't' : 'f';
    case 'undefined':
      return 'u';
    case 'bigint':
      return `i${value};`;
    case 'object':
      return value === null ? '0' : writtenObject(value, depth);
    default:
      throw unfit(`a ${typeof value}`);
  }
}

function writtenObject(value: object, depth: number): string {
  if (depth === DEEPEST) throw unfit('a cycle, or more than 100 levels');
  const each = (items: Iterable<unknown>) => Array.from(items, (item) => written(item, depth + 1)).join('');
  if (Array.isArray(value)) return `[${each(value)}]`;
  if (ArrayBuffer.isView(value)) return writtenBytes(value);
  if (value instanceof Date) return `D${value.getTime()};`;
  if (value instanceof Map) return `M${each([...value].flat())}]`;
  if (value instanceof Set) return `S${each(value)}]`;
  const proto: unknown = Object.getPrototypeOf(value);
  // Anything else may hold what its fields do not show: two of them would have one digest.
  if (proto !== null && proto !== Object.prototype) throw unfit(`an object of class ${value.constructor.name}`);
  let text = '{';
  for (const name of Object.keys(value).sort())
    text += written(name, depth) + written((value as Record<string, unknown>)[name], depth + 1);
  return `${text}}`;
}

/** A Buffer is its bytes, whatever it is a view of; another kind of array is another request. */
function writtenBytes(view: ArrayBufferView): string {
  const { buffer, byteOffset, byteLength } = view;
  const kind = Buffer.isBuffer(view) ? 'Uint8Array' : view.constructor.name;
  return `b${kind}${byteLength}:${Buffer.from(buffer, byteOffset, byteLength).toString('base64')}`;
}

function unfit(what: string): KeylaneError {
  return new KeylaneError('ERR_INPUT', `\`cache\`: the request holds ${what}, so it cannot be told from another one`);
}
