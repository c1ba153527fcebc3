import type { HttpRequest } from '../http-types.js';
import { type HeaderMap, headersProblem, methodProblem } from './http-texts.js';
import { type Fine, plainOf } from './plain.js';

const MOST_TEXT = 16 << 20;
const isCount = (most: number) => (value: unknown) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
const isText = (value: unknown) => typeof value === 'string' && value.length <= MOST_TEXT;

/** Whether a value of the field is fine, for the fields that nearly all requests are made of. The URL is looked at later. */
const FINE: Fine = {
  url: isText,
  method: (value) => value === 'GET' || (typeof value === 'string' && methodProblem(value) === undefined),
  headers: isHeaders,
  body: (value) => isText(value) || (value instanceof Uint8Array && value.length <= MOST_TEXT),
  json: (value) => value !== undefined,
  maxBodyBytes: isCount(1 << 30),
  redirects: isCount(20),
  encoding: (value) => value === 'utf8' || value === 'buffer',
};

/**
 * A copy of a request that says nothing that is wrong, but perhaps for its URL; undefined for any other, which the schema
 * reads: for that one the fields that are not there cost more than all else of a request.
 */
export function plainRequest(input: unknown): HttpRequest | undefined {
  const request = plainOf(input, FINE);
  if (!request) return undefined;
  const { url, method = '', body, json } = request;
  if (url === undefined || (body !== undefined && json !== undefined)) return undefined;
  const hasBody = body !== undefined || json !== undefined;
  return hasBody && WITHOUT_BODY.has(method) ? undefined : (request as unknown as HttpRequest);
}

const WITHOUT_BODY: ReadonlySet<unknown> = new Set(['GET', 'HEAD', 'TRACE']);

/** Where the head of a URL ends and its path begins, if nothing of the path has to be written in another way. */
export function plainPathAt(url: string): number {
  const at = url.indexOf('/', 8);
  return at > 0 && url.length < MOST_URL && PLAIN_PATH.test(url.slice(at)) ? at : -1;
}

const MOST_URL = 65_536;
/** No segment that begins with a dot: some of them stand for others. A ? with nothing after it is not sent. */
const PLAIN_PATH = /^(?:\/(?!\.|%2e)|[A-Za-z0-9._~!$&()*+,;=:@%?-])+(?<!\?)$/i;

function isHeaders(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const name in value) {
    const given = (value as Record<string, unknown>)[name];
    if (typeof given !== 'string' && !(Array.isArray(given) && given.every((one) => typeof one === 'string')))
      return false;
  }
  return headersProblem(value as HeaderMap) === undefined;
}
