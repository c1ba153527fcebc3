import { type FastifyServerOptions, fastify } from 'fastify';
import { auditRoutes } from './access/audited-routes.js';
import { entrance, entranceOptions } from './access/entrance.js';
import { guard } from './access/guard.js';
import type { App, Parts, Principal } from './parts.js';
import { errorHandler } from './problem.js';
import { RouteTable, type ServiceRoute, sendNoRoute } from './route-table.js';
import { accountsRoutes } from './routes/accounts.js';
import { batchRoutes } from './routes/batches.js';
import { cacheRoutes } from './routes/cache.js';
import { eventsRoutes } from './routes/events.js';
import { healthRoutes } from './routes/health.js';
import { hostsRoutes } from './routes/hosts.js';
import { logLevelRoutes } from './routes/log-level.js';
import { metricsRoutes } from './routes/metrics.js';
import { openApiRoutes } from './routes/openapi.js';
import { pageRoutes } from './routes/page.js';
import { principalRoutes } from './routes/principal.js';
import { runRoutes } from './routes/run.js';
import { statsRoutes } from './routes/stats.js';
import { streamRoutes } from './routes/stream.js';
import { validatorOf } from './schemas.js';

/** The whole of the API: hooks in the order in which a request meets them, then the routes, one file a noun. */
export function buildApp(
  parts: Parts,
  identify: (authorization: string | undefined) => Principal | undefined,
  https?: { cert: Buffer; key: Buffer },
): { app: App; routes: readonly ServiceRoute[] } {
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    // While it stops, what comes on connections that are there is served; each is closed with its answer.
    return503OnClosing: false,
    // Ours, where Fastify would load ajv and a compiler of JSON at every start: 30 ms.
    schemaController: {
      compilersFactory: { buildValidator: () => validatorOf, buildSerializer: () => () => JSON.stringify },
    },
    ...entranceOptions(parts, https),
  } as FastifyServerOptions);
  const table = new RouteTable(app);
  app.setErrorHandler(errorHandler(parts.log));
  app.setNotFoundHandler((request, reply) => sendNoRoute(request, reply, table));
  parts.http.watch(app);
  parts.monitor.watch(app);
  entrance(app, parts);
  guard(app, identify);
  auditRoutes(app, parts.audit);
  healthRoutes(app, parts);
  pageRoutes(app);
  openApiRoutes(app, table);
  principalRoutes(app);
  runRoutes(app, parts);
  streamRoutes(app, parts);
  batchRoutes(app, parts);
  logLevelRoutes(app, parts);
  statsRoutes(app, parts);
  metricsRoutes(app, parts);
  eventsRoutes(app, parts);
  cacheRoutes(app, parts);
  accountsRoutes(app, parts);
  hostsRoutes(app, parts);
  return { app, routes: table.routes };
}
