import { homedir } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import type { HttpAccess } from '../http-types.js';
import { parsedUrl } from '../util/parsed-url.js';
import type { HttpTarget } from './http.js';
import { urlProblem } from './http-texts.js';

/** The fields that say how an origin is reached. */
export const ACCESS = ['proxy', 'proxyPassword', 'ca', 'cert', 'key', 'passphrase', 'servername', 'http2'] as const;

/** What is wrong with an origin as it is configured. */
export function originProblem(text: string): string | undefined {
  const problem = urlProblem(text);
  if (problem !== undefined) return problem;
  const { origin } = new URL(text);
  return origin === text ? undefined : `expected an origin and nothing else: ${origin}`;
}

/** What is wrong with where to go through. */
export function proxyProblem(text: string): string | undefined {
  const url = parsedUrl(text);
  if (!url) return 'expected a proxy such as http://user@proxy.example:3128';
  const { protocol, username, password, pathname, search, hash, hostname } = url;
  if (password !== '') return 'must hold no password; say it as `proxyPassword`, by a reference';
  if (protocol !== 'http:') return 'expected http://: what goes through is encrypted by itself';
  if (decoded(username) === undefined) return 'the name of its user is not UTF-8, encoded as %XX';
  if (hostname === '' || pathname !== '/' || search !== '' || hash !== '')
    return 'expected a proxy such as http://user@proxy.example:3128, and nothing after its port';
  return undefined;
}

/** What of an access does not go together. */
export function accessProblem(access: Access): { field: keyof HttpAccess; says: string } | undefined {
  const { proxy, proxyPassword, cert, key, passphrase } = access;
  if (
    proxyPassword !== undefined &&
    !(proxy !== undefined && proxyProblem(proxy) === undefined && new URL(proxy).username)
  )
    return { field: 'proxyPassword', says: 'goes with a `proxy` that names a user: http://user@proxy.example:3128' };
  if (cert !== undefined && key === undefined)
    return { field: 'key', says: 'expected the private key of `cert`, by a reference' };
  if (key !== undefined && cert === undefined) return { field: 'cert', says: 'expected the certificate of `key`' };
  if (passphrase !== undefined && key === undefined) return { field: 'passphrase', says: 'goes with `key`' };
  return undefined;
}

export type Access = { readonly [Field in keyof HttpAccess]: HttpAccess[Field] | undefined };

/** What `over` says goes before; a secret goes with what it is for, and with nothing else. */
export function merged(under: Access, over: Access): Access {
  const proxy = over.proxy === undefined ? under : over;
  const cert = over.cert === undefined ? under : over;
  return {
    proxy: proxy.proxy,
    proxyPassword: proxy.proxyPassword,
    cert: cert.cert,
    key: cert.key,
    passphrase: cert.passphrase,
    ca: over.ca ?? under.ca,
    servername: over.servername ?? under.servername,
    http2: over.http2 ?? under.http2,
  };
}

/** The part of a target that an access says. What is about encryption has no place where there is none. */
export function reachedBy(access: Access, isSecure: boolean): Omit<HttpTarget, 'origin'> {
  const { proxy, proxyPassword, ca, cert, key, passphrase, servername, http2 } = access;
  const target: Omit<HttpTarget, 'origin'> = {};
  if (proxy !== undefined) {
    const { hostname, port, username } = new URL(proxy);
    target.proxy = { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 80 : Number(port) };
    if (username !== '') target.proxy.user = decoded(username) as string;
    if (proxyPassword !== undefined) target.proxy.password = proxyPassword;
  }
  if (!isSecure) return target;
  if (ca !== undefined) target.ca = absolute(ca);
  if (cert !== undefined) target.cert = absolute(cert);
  if (key !== undefined) target.key = key;
  if (passphrase !== undefined) target.passphrase = passphrase;
  if (servername !== undefined) target.servername = servername;
  if (http2) target.http2 = true;
  return target;
}

/** A shard has the same working directory, but what is in a lane must mean one file for ever. */
function absolute(path: string): string {
  if (path.startsWith('~/')) return `${homedir()}/${path.slice(2)}`;
  return isAbsolute(path) ? path : resolve(path);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
