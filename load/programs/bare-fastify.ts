// The peer of the HTTP service: a Fastify route of the same schema that answers what it was given, without an engine.
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import { serveProgram } from '../program.js';

export type BareFastify = typeof steps;

const BODY = {
  type: 'object',
  required: ['driver', 'request'],
  additionalProperties: false,
  properties: {
    driver: { type: 'string', minLength: 1, maxLength: 64 },
    request: {
      type: 'object',
      required: ['key'],
      additionalProperties: false,
      properties: { key: { type: 'string' }, payload: {}, openMs: { type: 'number' }, delayMs: { type: 'number' } },
    },
    timeoutMs: { type: 'number', minimum: 0 },
    idempotent: { type: 'boolean' },
    attempts: { type: 'integer', minimum: 1, maximum: 100 },
    priority: { type: 'integer', minimum: -10, maximum: 10 },
    labels: { type: 'array', items: { type: 'string' }, maxItems: 32 },
  },
};

const timing = { queuedMs: 0, openMs: 0, runMs: 0.1 };

const steps = {
  async start(_: undefined): Promise<{ url: string }> {
    const app = fastify();
    app.post<{ Body: { driver: string; request: { key: string; payload?: unknown } } }>(
      '/v1/run',
      { schema: { body: BODY } },
      ({ body: { driver, request } }, reply) =>
        // What the service says of a settled request.
        reply.send({
          ...{ index: 0, id: '0', driver, key: request.key, outcome: 'ok', response: { payload: request.payload } },
          ...{ attempts: 1, shard: 0, reused: true, cache: 'none', timing, history: [] },
        }),
    );
    await app.listen({ host: '127.0.0.1', port: 0 });
    return { url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` };
  },
};

serveProgram(steps);
