import type { IncomingMessage } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { FieldError } from '../field-error.js';
import type { ResolvedServiceOptions } from '../options.js';
import type { App } from '../parts.js';

const MOST_REMEMBERED = 100;
const ANY = '*';

/**
 * Answers only to names of its own. A page of somebody else's can have a browser here send us requests, and can have its
 * own name lead to our address (DNS rebinding); but the browser then says in `Host` and `Origin` who asks. Every route is
 * behind it, those that need no token too, and what no route is for.
 */
export function origins(app: App, options: ResolvedServiceOptions): void {
  const names = new Names(app, options);
  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = request;
    const problem = names.problemOfHost(raw);
    if (problem) return done(problem);
    const { origin } = raw.headers;
    if (origin === undefined) return done();
    const allowed = names.allows(origin);
    if (!allowed && origin !== names.ownOrigin(raw))
      return done(forbidden('headers.origin', `a page of ${shown(origin)} may not use this service (allowOrigins)`));
    if (!allowed) return done();
    reply.header('access-control-allow-origin', origin).header('vary', 'origin');
    reply.header('access-control-expose-headers', 'retry-after, location');
    if (raw.method !== 'OPTIONS' || raw.headers['access-control-request-method'] === undefined) return done();
    // A browser asks first, without the token.
    reply
      .header('access-control-allow-methods', 'GET, POST, PUT, DELETE')
      .header(
        'access-control-allow-headers',
        'authorization, content-type, idempotency-key, last-event-id, traceparent',
      )
      .header('access-control-max-age', '600')
      .code(204)
      .send();
  });
}

class Names {
  readonly #app: App;
  readonly #scheme: 'http' | 'https';
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #listened: string;
  /** Values of Host that were found to be fine, as they were sent. */
  readonly #known = new Set<string>();
  #port: number | undefined;

  constructor(app: App, { host, tls, allowHosts, allowOrigins }: ResolvedServiceOptions) {
    this.#app = app;
    this.#scheme = tls ? 'https' : 'http';
    this.#listened = host.toLowerCase();
    this.#hosts = new Set(allowHosts.map((name) => name.toLowerCase()));
    this.#origins = new Set(allowOrigins.map((origin) => origin.toLowerCase()));
  }

  allows(origin: string): boolean {
    return this.#origins.has(ANY) || this.#origins.has(origin.toLowerCase());
  }

  /** A page that we have served ourselves. */
  ownOrigin(raw: IncomingMessage): string {
    return `${this.#scheme}://${raw.headers.host ?? ''}`;
  }

  problemOfHost(raw: IncomingMessage): FieldError | undefined {
    const { rawHeaders, url = '' } = raw;
    let hosts = 0;
    for (let at = 0; at < rawHeaders.length; at += 2)
      if (rawHeaders[at]!.length === 4 && rawHeaders[at]!.toLowerCase() === 'host') hosts++;
    // Of two, a proxy before us may have taken the other one. In an absolute URL there is a third. (RFC 9112 3.2)
    if (hosts > 1) return new FieldError('ERR_INPUT', [{ field: 'headers.host', detail: 'is there more than once' }]);
    if (url.charCodeAt(0) !== SLASH && !(url === ANY && raw.method === 'OPTIONS'))
      return new FieldError('ERR_INPUT', [{ field: 'path', detail: 'must begin with /' }]);
    const { host = '' } = raw.headers;
    if (this.#known.has(host)) return undefined;
    if (!this.#isOurs(host.toLowerCase(), raw))
      return forbidden('headers.host', `the service is not called ${shown(host)} here (allowHosts)`);
    if (this.#known.size < MOST_REMEMBERED) this.#known.add(host);
    return undefined;
  }

  #isOurs(host: string, raw: IncomingMessage): boolean {
    if (this.#hosts.has(ANY) || this.#hosts.has(host)) return true;
    const [, name, said] = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::([0-9]{1,5}))?$/.exec(host) ?? [];
    if (name === undefined) return false;
    const bare = name.replace(/^\[|\]$/g, '');
    if (this.#hosts.has(name) || this.#hosts.has(bare)) return true;
    this.#port ??= (this.#app.server.address() as AddressInfo).port;
    if ((said === undefined ? USUAL_PORTS[this.#scheme] : Number(said)) !== this.#port) return false;
    if (bare === 'localhost' || bare === '127.0.0.1' || bare === '::1' || bare === this.#listened) return true;
    // Where all addresses are listened on: the one that was reached. No name can be made to stand for an address.
    return isIP(bare) !== 0 && bare === (raw.socket.localAddress ?? '').replace(/^::ffff:/, '');
  }
}

const SLASH = 47;
const USUAL_PORTS = { http: 80, https: 443 };

function forbidden(field: string, detail: string): FieldError {
  return new FieldError('ERR_FORBIDDEN', [{ field, detail }]);
}

/** As much of what somebody sent as tells what it was. */
function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
