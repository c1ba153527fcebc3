import { KeylaneError } from '../errors.js';
import { isLoopbackHost } from '../util/networks.js';

/** Options of `connect`. */
export interface ClientOptions {
  /** Of the service: `http://127.0.0.1:7473`. What path it has goes before the API's own. */
  url: string | URL;
  /**
   * The bearer token: itself, a reference (`env:NAME`, `file:PATH`), or a function that gives it, which is asked for each
   * request. Where the service refuses what a reference gave, it is read again for the next request.
   * @default none is sent, and none is looked for
   */
  token?: string | (() => string | Promise<string>);
  /** Certificates of the authorities that the service's own may come from, as PEM. @default those that Node trusts */
  ca?: string | Buffer | readonly (string | Buffer)[];
  /** Of calls that name none: of `run`, `result` and what is only asked. 0: none. @default 60_000 */
  timeoutMs?: number;
  /** Connections kept for requests, and so requests at once; others wait. A stream or a batch has one of its own. @default 64 */
  connections?: number;
  /** Bytes of an answer, and of one line of an answer of many. A longer one is refused. @default 67_108_864 */
  maxAnswerBytes?: number;
  /** Milliseconds that `close` waits for what is in flight before it cuts. @default 30_000 */
  closeTimeoutMs?: number;
  /** True: a token may go over plain HTTP to another machine, where whoever is on the way can read it. @default false */
  allowInsecure?: boolean;
}

export interface ResolvedClientOptions {
  readonly url: URL;
  readonly token: ClientOptions['token'];
  readonly ca: ClientOptions['ca'];
  readonly timeoutMs: number;
  readonly connections: number;
  readonly maxAnswerBytes: number;
  readonly closeTimeoutMs: number;
}

const DEFAULTS = { timeoutMs: 60_000, connections: 64, maxAnswerBytes: 64 * 1024 * 1024, closeTimeoutMs: 30_000 };
const LONGEST_MS = 30 * 86_400_000;
const KNOWN = new Set([...Object.keys(DEFAULTS), 'url', 'token', 'ca', 'allowInsecure']);

/** Throws `ERR_CONFIG` that names the option and what it takes. */
export function resolveClientOptions(options: ClientOptions): ResolvedClientOptions {
  if (typeof options !== 'object' || options === null) throw wrong('connect takes an object of options with a `url`');
  for (const name of Object.keys(options))
    if (!KNOWN.has(name)) throw wrong(`unknown option \`${name}\`: connect takes ${[...KNOWN].join(', ')}`);
  const { token, ca, allowInsecure = false } = options;
  const url = urlOf(options.url);
  if (token !== undefined && (typeof token === 'string' ? token === '' : typeof token !== 'function'))
    throw wrong('`token` must be a string that is not empty, `env:NAME`, `file:PATH`, or a function');
  if (typeof allowInsecure !== 'boolean') throw wrong('`allowInsecure` must be true or false');
  if (token !== undefined && url.protocol === 'http:' && !allowInsecure && !isLoopbackHost(url.hostname)) {
    const fix = 'use https, or allow it by `allowInsecure: true`';
    throw wrong(`the \`token\` would go unencrypted to another machine, ${url.host}: ${fix}`);
  }
  if (ca !== undefined && !isPem(ca))
    throw wrong('`ca` must be certificates as PEM: text, a Buffer, or an array of these');
  return Object.freeze({
    url,
    token,
    ca,
    timeoutMs: whole(options, 'timeoutMs', 0, LONGEST_MS),
    connections: whole(options, 'connections', 1, 10_000),
    maxAnswerBytes: whole(options, 'maxAnswerBytes', 1_024, 512 * 1024 * 1024),
    closeTimeoutMs: whole(options, 'closeTimeoutMs', 0, LONGEST_MS),
  });
}

function urlOf(given: unknown): URL {
  const expected = '`url` must be the address of a service, as `http://127.0.0.1:7473`';
  if (typeof given !== 'string' && !(given instanceof URL)) throw wrong(expected);
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw wrong(expected);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw wrong(expected);
  // An address is shown in errors and logs.
  if (url.username !== '' || url.password !== '')
    throw wrong('`url` holds a name or a password: give the `token` instead');
  if (url.search !== '' || url.hash !== '') throw wrong('`url` must have no `?` and no `#`');
  return url;
}

function whole(options: ClientOptions, name: keyof typeof DEFAULTS, least: number, most: number): number {
  const value: unknown = options[name] ?? DEFAULTS[name];
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw wrong(`\`${name}\` must be a whole number from ${least} to ${most}, not ${String(value)}`);
}

function isPem(ca: unknown): boolean {
  return typeof ca === 'string' || Buffer.isBuffer(ca) || (Array.isArray(ca) && ca.length > 0 && ca.every(isPem));
}

function wrong(says: string): KeylaneError {
  return new KeylaneError('ERR_CONFIG', says);
}
