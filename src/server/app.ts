import { type FastifyServerOptions, fastify } from 'fastify';
import { KeylaneError } from '../index.js';
import { guard } from './access/guard.js';
import type { App, Parts, Principal } from './parts.js';
import { onError, sendProblem } from './problem.js';
import { healthRoutes } from './routes/health.js';
import { logLevelRoutes } from './routes/log-level.js';
import { runRoutes } from './routes/run.js';
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
  guard(app, identify);
  healthRoutes(app, parts);
  runRoutes(app, parts);
  logLevelRoutes(app, parts);
  return app;
}
