import { type FastifyServerOptions, fastify } from 'fastify';
import { KeylaneError } from '../index.js';
import { guard } from './access/guard.js';
import type { App, Parts, Principal } from './parts.js';
import { onError, sendProblem } from './problem.js';
import { accountsRoutes } from './routes/accounts.js';
import { batchRoutes } from './routes/batches.js';
import { cacheRoutes } from './routes/cache.js';
import { eventsRoutes } from './routes/events.js';
import { healthRoutes } from './routes/health.js';
import { logLevelRoutes } from './routes/log-level.js';
import { metricsRoutes } from './routes/metrics.js';
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
): App {
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    bodyLimit: 1_048_576,
    // While it stops, what comes on connections that are there is served; each is closed with its answer.
    return503OnClosing: false,
    ...(https && { https }),
  } as FastifyServerOptions);
  app.setValidatorCompiler(validatorOf);
  app.setErrorHandler(onError);
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, new KeylaneError('ERR_NOT_FOUND', `there is no ${request.method} ${request.url.split('?')[0]}`)),
  );
  parts.http.watch(app);
  parts.monitor.watch(app);
  guard(app, identify);
  healthRoutes(app, parts);
  pageRoutes(app);
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
  return app;
}
