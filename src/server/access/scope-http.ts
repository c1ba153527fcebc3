import type { HostPatterns } from './host-pattern.js';

type Request = Readonly<Record<string, unknown>>;

/** Fields of an `http` request that name a file or a secret of the service's machine, or another machine to go through. */
const OF_THE_MACHINE = ['proxy', 'proxyPassword', 'ca', 'cert', 'key', 'passphrase', 'bearer'];

/**
 * All that an `http` request may hold where the token is for some hosts only. `servername` is none of it: by another name the
 * same address may be another site.
 */
const ON_THE_HOST: ReadonlySet<string> = new Set([
  ...['url', 'method', 'headers', 'body', 'json', 'redirects', 'maxBodyBytes', 'events', 'encoding', 'http2'],
]);

export interface HttpScope {
  /** Undefined: all hosts. */
  patterns: HostPatterns | undefined;
  hosts: string;
  files: boolean;
  /** An error that names the field. */
  refuse(field: string, why: string): Error;
}

/** Throws where the request is not what the token is for. */
export function checkHttp(request: Request, { patterns, hosts, files, refuse }: HttpScope): void {
  if (patterns) {
    for (const field in request)
      if (!ON_THE_HOST.has(field)) throw refuse(`request.${field}`, 'is for some hosts only, and may not say this');
    const place = placeOf(request.url);
    if (!place) throw refuse('request.url', 'is for some hosts only: expected a URL of a host that it may reach');
    if (!patterns.hasPlace(place))
      throw refuse('request.url', `is not for ${place.host} port ${place.port}; its hosts are ${hosts}`);
    if (request.redirects !== 0)
      throw refuse('request.redirects', 'is for some hosts only, and a redirect may lead elsewhere: say 0');
  }
  if (files) return;
  for (const field of OF_THE_MACHINE)
    if (request[field] !== undefined)
      throw refuse(
        `request.${field}`,
        "may not use files, secrets and proxies of the service's machine (`files: true` lets it)",
      );
}

/** A host and a port as a URL says them. */
export interface Place {
  host: string;
  port: number;
  /** The one that goes without saying. */
  usualPort: number;
}

/** Of an `http` request's URL, or of its key; undefined for what is no URL of that kind. */
export function placeOf(url: unknown): Place | undefined {
  if (typeof url !== 'string' || !/^https?:\/\//i.test(url)) return undefined;
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    return undefined;
  }
  const usualPort = parsed.protocol === 'https:' ? 443 : 80;
  return { host: parsed.hostname, port: parsed.port === '' ? usualPort : Number(parsed.port), usualPort };
}
