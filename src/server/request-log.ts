import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Clock } from '../index.js';
import type { ServiceLog } from './log.js';

/**
 * A line for each answer at `debug`, and for each request that comes in at `trace`. It listens while that is the level, so
 * that nothing is paid for it else: a hook of Fastify's would be run for each request whatever the level. No header is
 * logged: one of them is the token.
 */
export function logRequests(server: Server, { log, onLevel }: ServiceLog, clock: Clock): void {
  const told = (request: IncomingMessage, response: ServerResponse) => {
    const at = clock.now();
    const { method, url = '' } = request;
    const [path] = url.split('?', 1);
    log.trace({ method, path }, 'asked');
    response.once('close', () => {
      const ms = Math.round((clock.now() - at) * 1_000) / 1_000;
      const whole = response.writableFinished ? {} : { cut: true };
      log.debug({ method, path, status: response.statusCode, ms, ...whole }, 'answered');
    });
  };
  onLevel((level) => {
    server.off('request', told);
    // Before Fastify's own listener, which may answer in the same turn.
    if (level === 'debug' || level === 'trace') server.prependListener('request', told);
  });
}
