import type { HttpResponse } from '../../../src/http-types.js';

/** What the peer calls this version of its answer. */
export function etagOf({ headers }: HttpResponse): string | undefined {
  const { etag } = headers;
  return typeof etag === 'string' && etag !== '' ? etag : undefined;
}

/** Known to be old at once, and good to be asked for again by its etag. */
const AT_ONCE_MS = 1;

/**
 * How long the answer may be given again without a question, for a cache of one's own; undefined where nothing is said.
 * (RFC 9111 § 4.2, § 5.2.2) 0 where it may not be kept, or could not be asked about.
 */
export function freshFor(response: HttpResponse): number | undefined {
  const { headers, status } = response;
  // Of a version that somebody else has: nobody was asked for it, or the caller was.
  if (status === 304) return 0;
  const control = directives(headers['cache-control']);
  if (control?.has('no-store') || words(headers.vary).includes('*')) return 0;
  const old = etagOf(response) === undefined ? 0 : AT_ONCE_MS;
  if (control?.has('no-cache')) return old;
  const seconds = lifetime(control?.get('max-age'), headers);
  if (seconds === undefined) return undefined;
  const age = whole(one(headers.age)) ?? 0;
  return Math.max(0, seconds - age) * 1_000 || old;
}

/** `s-maxage` is for caches that strangers share. */
function lifetime(maxAge: string | undefined, headers: HttpResponse['headers']): number | undefined {
  if (maxAge !== undefined) return whole(maxAge) ?? 0;
  const expires = one(headers.expires);
  if (expires === undefined) return undefined;
  // What is no date has expired (§ 5.3). Both clocks are the peer's.
  const until = Date.parse(expires);
  const since = Date.parse(one(headers.date) ?? '');
  if (Number.isNaN(until)) return 0;
  return Math.max(0, Math.floor((until - (Number.isNaN(since) ? Date.now() : since)) / 1_000));
}

function directives(value: string | readonly string[] | undefined): ReadonlyMap<string, string> | undefined {
  if (value === undefined) return undefined;
  const found = new Map<string, string>();
  // `private="set-cookie, x"`: a list in quotes is no list of directives.
  for (const [, name = '', quoted, bare] of String(value).matchAll(
    /([^\s,;="]+)\s*(?:=\s*(?:"([^"]*)"|([^\s,;"]*)))?/g,
  ))
    if (!found.has(name.toLowerCase())) found.set(name.toLowerCase(), quoted ?? bare ?? '');
  return found;
}

function words(value: string | readonly string[] | undefined): string[] {
  return value === undefined
    ? []
    : String(value)
        .split(',')
        .map((word) => word.trim());
}

function one(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}

/** A year at most: what is longer is as good as for ever, and a bound is asked for (RFC 9111 § 1.2.2). */
const MOST_SECONDS = 31_536_000;

function whole(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]+$/.test(text.trim()) ? Math.min(Number(text), MOST_SECONDS) : undefined;
}
