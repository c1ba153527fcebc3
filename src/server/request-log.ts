import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Clock } from '../index.js';
import type { ServiceLog } from './log.js';

/**
 * A line for each request, at `debug` only: it listens while that is the level, so that nothing is paid for it else. A hook
 * of Fastify's would be run for each request whatever the level. No header is logged: one of them is the token.
 */
export function logRequests(server: Server, log: ServiceLog, clock: Clock): void {
  const told = (request: IncomingMessage, response: ServerResponse) => {
    const at = clock.now();
    response.once('close', () => {
      const { method, url = '' } = request;
      const [path] = url.split('?', 1);
      const ms = Math.round((clock.now() - at) * 1_000) / 1_000;
      const whole = response.writableFinished ? {} : { cut: true };
      log.log.debug({ method, path, status: response.statusCode, ms, ...whole }, 'request');
    });
  };
  log.onLevel((level) => {
    server.off('request', told);
    // Before Fastify's own listener, which may answer in the same turn.
    if (level === 'debug' || level === 'trace') server.prependListener('request', told);
  });
}
