import { isUtf8 } from 'node:buffer';
import type { KeylaneError } from '../errors.js';
import type { Result } from '../types.js';

/**
 * A result as one line of JSON, without a line end. The order of the members is part of the format. Bytes are text where
 * they are UTF-8, else `{"base64":"…"}`. Written by hand where it can be: `JSON.stringify` of the whole took twice as long.
 */
export function lineOf(result: Result): string {
  const { response, error } = result;
  let answer: string | undefined;
  if (!error) {
    try {
      answer = `"response":${jsonOf(response)}`;
    } catch {
      // What cannot be written (it refers to itself, or is longer than a string may be) must not end a batch.
      answer = '"response":null,"dropped":true';
    }
  }
  return lineWith(result, answer ?? `"error":${errorOf(error)}`);
}

/** The line without what the peer said at length: what is short of the answer stays, and `dropped` says that there was more. */
export function shortLineOf(result: Result, droppedBytes: number): string {
  const { response, error } = result;
  if (error)
    return lineWith(result, `"error":${errorOf(error, LONGEST_MESSAGE)},"dropped":${droppedBytes}`, SHORT_HISTORY);
  const kept: [string, unknown][] = [];
  if (typeof response === 'object' && response !== null && !(response instanceof Uint8Array))
    for (const [name, value] of Object.entries(response).slice(0, MOST_KEPT))
      if (name.length <= LONGEST_KEPT && isShort(value)) kept.push([name, value]);
  return lineWith(
    result,
    `"response":${JSON.stringify(Object.fromEntries(kept))},"dropped":${droppedBytes}`,
    SHORT_HISTORY,
  );
}

const MOST_KEPT = 32;
const LONGEST_KEPT = 256;
const LONGEST_MESSAGE = 4_096;
const SHORT_HISTORY = 8;

function isShort(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= LONGEST_KEPT;
  return value === null || typeof value === 'number' || typeof value === 'boolean';
}

function lineWith(result: Result, answer: string, mostHistory = Number.POSITIVE_INFINITY): string {
  const {
    index,
    id,
    driver,
    key,
    outcome,
    attempts,
    shard,
    reused,
    cache,
    cached,
    timing,
    history,
    request,
    traceparent,
  } = result;
  const host = hostOf(request);
  return (
    `{"index":${index},"id":${stringOf(id)},` +
    (driver === undefined ? '' : `"driver":${stringOf(driver)},`) +
    (host === undefined ? '' : `"host":${stringOf(host)},`) +
    `"key":${stringOf(key)},"outcome":"${outcome}",${answer},"attempts":${attempts},"shard":${shard},` +
    `"reused":${reused},"cache":"${cache}",` +
    (cached ? `"cached":{"level":"${cached.level}","ageMs":${cached.ageMs}},` : '') +
    `"timing":{"queuedMs":${rounded(timing.queuedMs)},"openMs":${rounded(timing.openMs)},"runMs":${rounded(timing.runMs)}},` +
    `"history":${history.length === 0 ? '[]' : JSON.stringify(history.slice(-mostHistory))}` +
    // Checked when it was given: it needs no care.
    (traceparent === undefined ? '}' : `,"traceparent":"${traceparent}"}`)
  );
}

function hostOf(request: unknown): string | undefined {
  if (typeof request !== 'object' || request === null || !('host' in request)) return undefined;
  return typeof request.host === 'string' ? request.host : undefined;
}

function errorOf(error: KeylaneError | undefined, longest = Number.POSITIVE_INFINITY): string {
  const { code, message = '', stopped } = error ?? {};
  const said = message.length > longest ? `${message.slice(0, longest)}…` : message;
  return JSON.stringify({ code, message: said, ...(stopped && { stopped }) });
}

/** Letters, digits and the like need no care: most of what is written. */
const PLAIN = /^[\w.:@/ -]*$/;

function stringOf(text: string): string {
  return text.length < 64 && PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

function jsonOf(value: unknown): string {
  return JSON.stringify(plain(value, 0)) ?? 'null';
}

const DEEPEST = 200;

/** What JSON has words for: the same thing where nothing of it must be changed. */
function plain(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return textOrBase64(value);
  if (depth > DEEPEST) throw new RangeError('too deep');
  if (value instanceof Map) return plain(Object.fromEntries(value), depth + 1);
  if (value instanceof Set) return plain([...value], depth + 1);
  let copy: Record<string, unknown> | undefined;
  for (const name in value) {
    const member = (value as Record<string, unknown>)[name];
    if (typeof member !== 'object' && typeof member !== 'bigint') continue;
    const better = plain(member, depth + 1);
    if (better === member) continue;
    copy ??= (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
    copy[name] = better;
  }
  return copy ?? value;
}

/** Bytes as text where they are UTF-8, so that nothing is lost where they are not. */
function textOrBase64(bytes: Uint8Array): string | { base64: string } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer) ? buffer.toString() : { base64: buffer.toString('base64') };
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
