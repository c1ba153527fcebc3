import type { App, Parts } from '../parts.js';

/**
 * Has a line written for each route that does something and does not tell for itself (`audits`), when it is answered: what
 * is new cannot be forgotten. Before the first route.
 */
export function auditRoutes(app: App, audit: Parts['audit']): void {
  app.addHook('onRoute', (route) => {
    const { config, method, url } = route;
    const does = config?.needs === 'run' || config?.needs === 'admin';
    if (!does || config.audits || [method].flat().every((one) => one === 'GET')) return;
    route.onResponse = [
      ...[route.onResponse ?? []].flat(),
      ({ principal, ip, method: asked }, reply, done) => {
        // Without one nobody got in.
        if (principal) {
          const outcome = String(reply.statusCode);
          audit({ principal: principal.name, address: ip, route: `${asked} ${url}`, outcome, ms: reply.elapsedTime });
        }
        done();
      },
    ];
  });
}
