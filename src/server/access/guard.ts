import { KeylaneError } from '../../index.js';
import { FieldError } from '../field-error.js';
import type { App, Principal } from '../parts.js';

/**
 * Lets nobody in without a token. A route that does not say what it needs is refused when it is made, so that none can be
 * forgotten.
 */
export function guard(app: App, identify: (authorization: string | undefined) => Principal | undefined): void {
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.needs === undefined)
      throw new KeylaneError('ERR_CONFIG', `the route ${String(method)} ${url} does not say what it \`needs\``);
  });
  app.addHook('onRequest', (request, _reply, done) => {
    const needs = request.is404 ? 'read' : (request.routeOptions.config.needs ?? 'admin');
    if (needs === 'nothing') return done();
    const principal = identify(request.headers.authorization);
    if (!principal) return done(new KeylaneError('ERR_UNAUTHENTICATED'));
    try {
      principal.check(needs);
    } catch (error) {
      return done(error as Error);
    }
    if (request.url.includes('?') && !request.is404 && !request.routeOptions.schema?.querystring) {
      const [unknown] = Object.keys(request.query as object);
      if (unknown !== undefined) return done(unknownQuery(unknown));
    }
    request.principal = principal;
    done();
  });
}

/** Of a route that takes nothing there. */
function unknownQuery(name: string): FieldError {
  return new FieldError('ERR_INPUT', [{ field: `query.${name}`, detail: 'unknown field; this path takes none' }]);
}
