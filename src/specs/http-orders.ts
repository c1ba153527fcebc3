import { KeylaneError } from '../errors.js';
import type { HttpOptions, HttpRequest } from '../http-types.js';
import type { HttpOrder } from './http.js';

/** Bytes that are kept of a body, and redirects that are followed, where nobody says. */
const HTTP_DEFAULTS = Object.freeze({ maxBodyBytes: 1_048_576, redirects: 5 });

/** What the shard is told of a request that is valid. */
export function orderOf(request: HttpRequest, path: string, options: HttpOptions): HttpOrder {
  const { headers, body, json, bearer, events, encoding } = request;
  const bytes = body !== undefined ? bytesOf(body) : json !== undefined ? jsonOf(json) : undefined;
  const order: HttpOrder = {
    method: request.method ?? (bytes === undefined ? 'GET' : 'POST'),
    path,
    maxBodyBytes: request.maxBodyBytes ?? options.maxBodyBytes ?? HTTP_DEFAULTS.maxBodyBytes,
  };
  const list = headers === undefined ? [] : listOf(headers);
  if (json !== undefined && !list.includes('content-type')) list.push('content-type', 'application/json');
  if (list.length > 0) order.headers = list;
  if (bytes !== undefined) order.body = bytes;
  if (bearer !== undefined) order.bearer = bearer;
  const redirects = request.redirects ?? options.redirects ?? HTTP_DEFAULTS.redirects;
  if (redirects > 0) order.redirects = redirects;
  if (events) order.events = true;
  if (encoding === 'buffer') order.binary = true;
  return order;
}

/** By RFC 9110 § 9.2.2. */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** Those that ask for no change at all. (RFC 9110 § 9.2.1) */
export function isSafe(method: string): boolean {
  return SAFE.has(method);
}

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
const IDEMPOTENT: ReadonlySet<string> = new Set([...SAFE, 'PUT', 'DELETE']);

/** Names in lower case and in their order, so that equal requests are remembered as one. */
function listOf(headers: NonNullable<HttpRequest['headers']>): string[] {
  const list: string[] = [];
  const names = Object.keys(headers).map((name) => [name.toLowerCase(), name] as const);
  if (names.length > 1) names.sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [lower, name] of names) {
    const value = headers[name] as string | readonly string[];
    if (typeof value === 'string') list.push(lower, value);
    else for (const one of value) list.push(lower, one);
  }
  return list;
}

function bytesOf(body: NonNullable<HttpRequest['body']>): string | Uint8Array {
  return typeof body === 'object' && 'base64' in body ? Buffer.from(body.base64, 'base64') : body;
}

function jsonOf(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new KeylaneError('ERR_INPUT', `http.json: ${(cause as Error).message.split('\n', 1)[0]}`, { cause });
  }
  if (text === undefined) throw new KeylaneError('ERR_INPUT', `http.json: a ${typeof value} is nothing that JSON has`);
  if (text.length > MOST_JSON)
    throw new KeylaneError('ERR_INPUT', 'http.json: expected at most 16 MiB; for more open a stream and write to it');
  return text;
}

const MOST_JSON = 16 << 20;
