import type { FastifyReply, FastifyRequest } from 'fastify';
import { type CallOptions, type KeylaneError, lineOf, type Result } from '../../index.js';
import { checkPatterns } from '../access/own-patterns.js';
import { goneSignal } from '../gone.js';
import type { App, Parts } from '../parts.js';
import { sendProblem } from '../problem.js';
import { type RunBody, runBody } from '../schemas.js';
import { traceparentOf } from '../tracing.js';

/**
 * One request, and its result: as a line where the peer answered, yes or no, else as a problem. No `async`, nothing made
 * that need not be: this is what the service is measured by.
 */
export function runRoutes(app: App, parts: Parts): void {
  const { engine, clock } = parts;
  app.post<{ Body: RunBody }>(
    '/v1/run',
    { config: { needs: 'run', audits: true }, schema: { body: runBody } },
    (request, reply): undefined => {
      const { driver, request: asked, ...options } = request.body;
      request.principal.checkRequest(driver, asked);
      if (options.invalidates) checkPatterns(request.principal, options.invalidates, 'invalidates');
      const how: CallOptions = options as CallOptions;
      how.signal = goneSignal(request.raw.socket);
      const traceparent = traceparentOf(request.headers);
      if (traceparent !== undefined) how.traceparent = traceparent;
      const giveBack = request.principal.take('request');
      const at = clock.now();
      engine.result(driver as 'echo', asked as never, how).then(
        (result) => {
          giveBack();
          tell(parts, request, reply, driver, result as Result, clock.now() - at);
        },
        (error: unknown) => {
          giveBack();
          reply.send(error);
        },
      );
    },
  );
}

function tell(
  { audit, tracing }: Parts,
  { principal, ip, headers }: FastifyRequest,
  reply: FastifyReply,
  driver: string,
  result: Result,
  ms: number,
): void {
  const { key, outcome, error } = result;
  const code = error && { code: error.code };
  audit({ principal: principal.name, address: ip, route: 'POST /v1/run', driver, key, outcome, ...code, ms });
  tracing.settled(driver, result, headers);
  if (error) refuse(reply, result, error);
  else reply.type('application/json; charset=utf-8').send(lineOf(result));
}

function refuse(reply: FastifyReply, { key, attempts, timing, history }: Result, error: KeylaneError): void {
  const { stopped } = error;
  const more = { attempts, timing, history, ...(stopped !== undefined && { stopped }) };
  // '' is the key of what could not be read.
  sendProblem(reply, error, undefined, key === '' ? more : { key, ...more });
}
