import { parsedUrl } from '../util/parsed-url.js';

/*
 * What the parts of a request may be made of. All of it ends up in the head of a request, where a line break would begin
 * another one; what a URL parser drops without a word (a tab, a line break, a backslash made a slash) is refused, because
 * others would read the same text in another way. (RFC 9110 § 5.5, RFC 9112 § 11.1, WHATWG URL)
 */

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const MOST_HEADERS = 256;
/** Servers take 8 KiB to 64 KiB. */
const MOST_HEADER_BYTES = 65_536;

/** What is wrong with a URL. */
export function urlProblem(text: string): string | undefined {
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(text)?.[0].toLowerCase();
  if (scheme === undefined) return 'expected an absolute URL that begins with https:// or http://';
  if (scheme !== 'http:' && scheme !== 'https:') return `expected https:// or http://, not ${scheme.slice(0, 40)}`;
  const unfit = unfitOf(text);
  if (unfit !== undefined)
    return `must hold no white space, control character or backslash, not ${unfit}; encode it as %XX`;
  const authority = /^[a-z]+:\/\/([^/?#]+)/i.exec(text)?.[1];
  if (authority === undefined) return 'expected the name of a host after https:// or http://';
  if (authority.includes('@'))
    return 'must hold no user or password; say them as a header `authorization`, or as `bearer`';
  if (!HOST.test(parsedUrl(text)?.hostname ?? '')) return 'expected a URL: its host or its port is none';
  // `http://unix:/run/x.sock:/` is how some write a socket; to others it is a host called unix.
  if (authority.endsWith(':')) return 'expected a port after the colon, or none of both';
  if (/:0+$/.test(authority)) return 'port 0 cannot be connected to';
  return undefined;
}

/** As the parser gives it: in lower case, and of other scripts as Punycode. */
const HOST = /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:]+\])$/;

function unfitOf(text: string): string | undefined {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f || code === 0x5c) return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  }
  return /\p{Surrogate}/u.test(text) ? 'half of a surrogate pair' : undefined;
}

/** What is wrong with a method: they are told apart by case. */
export function methodProblem(method: string): string | undefined {
  if (!TOKEN.test(method) || method.length > 64) return 'expected a method such as GET: letters, digits and -';
  if (method === 'CONNECT') return 'would open a tunnel, which is no request; say `proxy` to go through one';
  const upper = method.toUpperCase();
  return KNOWN.has(upper) && method !== upper ? `methods are told apart by case: write ${upper}` : undefined;
}

const KNOWN = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);

export type HeaderMap = Readonly<Record<string, string | readonly string[]>>;

/** What is wrong with headers: of each the name, and never the value, which may be secret. */
export function headersProblem(headers: HeaderMap): string | undefined {
  let bytes = 0;
  let count = 0;
  const seen = new Set<string>();
  for (const name in headers) {
    const problem = nameProblem(name);
    if (problem !== undefined) return problem;
    const lower = name.toLowerCase();
    if (seen.has(lower)) return `${lower} is there twice; give its values as one list`;
    seen.add(lower);
    const given = headers[name] as string | readonly string[];
    for (const value of typeof given === 'string' ? [given] : given) {
      const wrong = valueProblem(value);
      if (wrong !== undefined) return `${lower}: ${wrong}`;
      bytes += name.length + value.length + 4;
      count++;
    }
  }
  if (count > MOST_HEADERS) return `expected at most ${MOST_HEADERS} headers`;
  if (bytes > MOST_HEADER_BYTES) return `expected at most ${MOST_HEADER_BYTES / 1024} KiB of headers in all`;
  return undefined;
}

function nameProblem(name: string): string | undefined {
  if (name.length > 256 || !TOKEN.test(name))
    return `${JSON.stringify(name.slice(0, 60))} is no name of a header: letters, digits and - make one`;
  const lower = name.toLowerCase();
  const why = OURS[lower];
  return why === undefined || !Object.hasOwn(OURS, lower) ? undefined : `${lower} may not be said: ${why}`;
}

const OF_THE_CONNECTION = 'it is about the connection, which is shared';

/** Headers that are not the request's own. (RFC 9110 § 7.6.1) */
const OURS: Readonly<Record<string, string>> = {
  connection: OF_THE_CONNECTION,
  'keep-alive': OF_THE_CONNECTION,
  'proxy-connection': OF_THE_CONNECTION,
  te: OF_THE_CONNECTION,
  trailer: OF_THE_CONNECTION,
  upgrade: OF_THE_CONNECTION,
  'http2-settings': OF_THE_CONNECTION,
  'transfer-encoding': 'where a body ends is told by keylane alone',
  'content-length': 'it is counted from the body',
  expect: 'no request waits for leave to send its body',
  host: "it is the URL's; ask for the URL of the host that is meant",
  'proxy-authorization': 'it is for the proxy; say `proxy` and `proxyPassword`',
};

function valueProblem(value: string): string | undefined {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code === 0x0a || code === 0x0d || code === 0)
      return 'must hold no line break and no NUL, which would end the header and begin another';
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return 'must hold no control character';
    if (code > 0xff) return 'holds a character beyond ISO 8859-1, which no header can carry; encode it';
  }
  return /^[ \t]|[ \t]$/.test(value) ? 'must not begin or end with white space' : undefined;
}
