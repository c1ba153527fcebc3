import { isUtf8 } from 'node:buffer';
import { type ErrorCode, KeylaneError } from '../errors.js';
import type { HttpResponse } from '../http-types.js';
import type { Parsed } from '../types.js';
import { parsedUrl } from '../util/parsed-url.js';
import type { HttpOrder, HttpTarget } from './http.js';
import { isIdempotent, isSafe } from './http-orders.js';
import type { Origins } from './http-origins.js';
import { urlProblem } from './http-texts.js';

/**
 * The request that an answer leads on to, as RFC 9110 § 15.4 and the Fetch standard have it: after 301 and 302 a POST becomes
 * a GET, after 303 everything does but HEAD, 307 and 308 change nothing. Undefined where it leads nowhere, or none may be
 * followed. Throws where it may not be followed, with what led there.
 */
export function followed(
  response: HttpResponse,
  parsed: Parsed<HttpOrder>,
  origins: Origins,
): Parsed<HttpOrder> | undefined {
  const { status } = response;
  if (!REDIRECTS.has(status)) return undefined;
  const location = [response.headers.location].flat()[0];
  const order = parsed.request;
  // None asked for, and none followed: the answer is what it is.
  if (location === undefined || (order.redirects === undefined && order.redirected === undefined)) return undefined;
  const target = parsed.target as HttpTarget;
  const here = target.origin + order.path;
  const chain = [...(order.redirected ?? []), here];
  const refuse = (code: ErrorCode, why: string) => refused(code, why, chain, parsed);
  if (order.redirects === undefined) throw refuse('ERR_PROTOCOL', `leads on, after ${chain.length - 1} redirects`);
  const url = locationOf(location, here);
  if (typeof url === 'string') throw refuse('ERR_PROTOCOL', `leads to a place that cannot be asked for: ${url}`);
  if (target.origin.startsWith('https:') && url.protocol === 'http:')
    throw refuse('ERR_DENIED', `leads from https to ${shown(url.href)}: ask for that itself if it is meant`);
  const isSame = url.origin === target.origin;
  const next = onward(order, status, isSame);
  next.path = url.pathname + url.search;
  next.redirected = chain;
  if (order.redirects > 1) next.redirects = order.redirects - 1;
  // What came before may have changed something, whatever this asks for.
  const idempotent = parsed.idempotent === true && isIdempotent(next.method);
  if (isSame) return { ...parsed, request: next, idempotent };
  try {
    return { ...parsed, ...origins.after(url, target), request: next, idempotent };
  } catch (error) {
    if (error instanceof KeylaneError) throw refuse(error.code, `leads to ${error.message}`);
    throw error;
  }
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

function onward(order: HttpOrder, status: number, isSame: boolean): HttpOrder {
  const { method, headers, body, bearer, redirects: _, ...rest } = order;
  const becomesGet =
    status === 303 ? method !== 'GET' && method !== 'HEAD' : (status === 301 || status === 302) && method === 'POST';
  const next: HttpOrder = { ...rest, method: becomesGet ? 'GET' : method };
  const list = headers ? kept(headers, isSame, becomesGet) : [];
  if (list.length > 0) next.headers = list;
  if (body !== undefined && !becomesGet) next.body = body;
  if (bearer !== undefined && isSame) next.bearer = bearer;
  return next;
}

/**
 * Headers that may go to another origin: those that say how the answer is to be, and what the body is. Whatever else there is
 * may be a credential: keys of APIs have headers of all names.
 */
const HARMLESS: ReadonlySet<string> = new Set([
  ...['accept', 'accept-charset', 'accept-encoding', 'accept-language', 'cache-control', 'pragma', 'prefer'],
  ...['content-encoding', 'content-language', 'content-type', 'range', 'user-agent'],
]);

function kept(headers: readonly string[], isSame: boolean, becomesGet: boolean): string[] {
  const list: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const [name = '', value = ''] = headers.slice(i, i + 2);
    if ((isSame || HARMLESS.has(name)) && !(becomesGet && name.startsWith('content-'))) list.push(name, value);
  }
  return list;
}

/** Or what is wrong with it. It is relative to where the answer came from; what comes after # is not sent. */
function locationOf(location: string, base: string): URL | string {
  const text = utf8(location.trim());
  const url = parsedUrl(text, base);
  if (!url) return 'it is no URL';
  const isAbsolute = /^[a-z][a-z0-9+.-]*:/i.test(text);
  const problem = urlProblem(isAbsolute ? text : url.href);
  if (problem !== undefined) return problem;
  return url.username === '' && url.password === '' ? url : 'it names a user';
}

/** Headers come as latin1. A place that is not ASCII is UTF-8, as browsers and curl read it, unless it cannot be. */
function utf8(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  return isUtf8(bytes) ? bytes.toString() : text;
}

/** Once something may have been changed, nobody can say that nothing was. */
function refused(
  code: ErrorCode,
  why: string,
  chain: readonly string[],
  { key, request, idempotent }: Parsed<HttpOrder>,
) {
  const outcome = isSafe(request.method) && idempotent ? 'not_started' : 'unknown';
  const way = chain.map(shown).join(' → ');
  return new KeylaneError(code, `${way} ${why}`, { key, outcome, retryable: false });
}

/** What may be secret of a URL, and what is long, is not in a message. */
function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + (pathname.length > MOST_SHOWN ? `${pathname.slice(0, MOST_SHOWN)}…` : pathname);
}

const MOST_SHOWN = 100;
