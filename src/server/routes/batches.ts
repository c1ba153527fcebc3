import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { BatchSummary, InputIdentity } from '../../index.js';
import { KeylaneError } from '../../index.js';
import { discard } from '../batches/body.js';
import type { Made } from '../batches/entrance.js';
import { idempotencyKey } from '../batches/idempotency.js';
import {
  type BatchQuery,
  batchParams,
  batchQuery,
  type ListQuery,
  listQuery,
  noBody,
  nothing,
  type ResultsQuery,
  type RetryQuery,
  resultsQuery,
  retryQuery,
} from '../batches/query.js';
import { writeResults } from '../batches/results.js';
import type { ServiceBatches } from '../batches/service-batches.js';
import { ownerOf } from '../batches/settings.js';
import { type ToldBatch, told } from '../batches/told.js';
import { runUnkept } from '../batches/unkept.js';
import type { App, Parts } from '../parts.js';
import { Refusal } from '../refusal.js';
import { wantsEvents } from '../sse.js';

const FORMATS: Readonly<Record<string, InputIdentity['format']>> = {
  'application/x-ndjson': 'ndjson',
  'application/json': 'json',
  'text/csv': 'csv',
};
const MOST_LISTED = 100;

/** Batches that survive the service; and with `journal=false` many requests over one connection. */
export function batchRoutes(app: App, parts: Parts): void {
  const { batches } = parts;
  // Bodies of their own: they are read as a stream.
  void app.register((inner, _options, done) => {
    inner.removeAllContentTypeParsers();
    inner.addContentTypeParser(Object.keys(FORMATS), (_request, payload, next) => next(null, payload));
    makeRoute(inner, parts, batches);
    done();
  });
  lookRoutes(app, parts);
  controlRoutes(app, parts);
}

function makeRoute(app: FastifyInstance, parts: Parts, batches: ServiceBatches): void {
  app.post<{ Querystring: BatchQuery }>(
    '/v1/batches',
    { config: { needs: 'run', streams: true, audits: true }, schema: { querystring: batchQuery } },
    async (request, reply) => {
      const { journal = true, chunks = false, driver, ...options } = request.query;
      const { principal } = request;
      const body = request.body as Readable | undefined;
      const format = FORMATS[(request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()];
      if (!body || !format) throw new KeylaneError('ERR_INPUT', `the body is missing: give jobs, a line each`);
      if (journal) {
        try {
          const key = idempotencyKey(request.headers['idempotency-key']);
          const made = await batches.create({ principal, key, format, driver, options, body });
          return answer(made, request, reply, parts);
        } catch (error) {
          if (!body.readableEnded) reply.header('connection', 'close');
          discard(body, parts.clock);
          throw error;
        }
      }
      if (format !== 'ndjson')
        throw new Refusal(415, 'ERR_INPUT', 'without a journal the body is read as it is needed: application/x-ndjson');
      const giveBack = principal.take('batch');
      const longestLine = request.server.initialConfig.bodyLimit ?? 1_048_576;
      try {
        await runUnkept({ principal, driver, options, chunks, body, longestLine }, reply, parts);
        audit(request, reply, parts);
      } finally {
        giveBack();
      }
      return reply;
    },
  );
}

function lookRoutes(app: App, parts: Parts): void {
  const { engine } = parts;
  const config = { needs: 'read' } as const;

  app.get<{ Querystring: ListQuery }>(
    '/v1/batches',
    { config, schema: { querystring: listQuery } },
    async (request) => {
      const { state, limit = MOST_LISTED } = request.query;
      const seen = (await parts.batches.summaries.list()).filter(
        (one) => request.principal.sees(ownerOf(one)) && (state === undefined || one.state === state),
      );
      return { batches: seen.slice(0, limit).map((one) => toldOf(one, parts)), total: seen.length };
    },
  );

  const schema = { params: batchParams, querystring: nothing };
  app.get<OfBatch>('/v1/batches/:id', { config, schema }, async (request) => toldOf(await seen(request, parts), parts));

  app.get<OfBatch>('/v1/batches/:id/report', { config, schema }, async (request) => {
    const { id } = await seen(request, parts);
    return await stillThere(id, engine.batches.report(id));
  });

  app.get<OfBatch & { Querystring: ResultsQuery }>(
    '/v1/batches/:id/results',
    { config, schema: { params: batchParams, querystring: resultsQuery } },
    async (request, reply) => {
      const { id } = await seen(request, parts);
      const { query, headers } = request;
      const events = wantsEvents(headers.accept);
      if (events && query.ordered)
        throw new KeylaneError('ERR_INPUT', 'querystring.ordered: goes with application/x-ndjson, not with events');
      const skip = lastEventId(headers['last-event-id']) ?? query.skip ?? 0;
      await writeResults({ id, query, events, skip }, reply, parts, parts.batches);
      return reply;
    },
  );
}

function controlRoutes(app: App, parts: Parts): void {
  const { engine, batches } = parts;
  const config = { needs: 'run', audits: true } as const;
  const schema = { params: batchParams, querystring: nothing, body: noBody };
  const done = (request: FastifyRequest<OfBatch>, reply: FastifyReply, summary: BatchSummary): ToldBatch => {
    audit(request, reply, parts, summary.id);
    batches.changed(summary.id);
    return toldOf(summary, parts);
  };

  app.post<OfBatch>('/v1/batches/:id/cancel', { config, schema }, async (request, reply) => {
    const { id } = await seen(request, parts);
    return done(request, reply, await stillThere(id, notBusy(engine.batches.cancel(id))));
  });

  app.post<OfBatch>('/v1/batches/:id/pause', { config, schema }, async (request, reply) => {
    const summary = await seen(request, parts);
    const running = batches.running(summary.id);
    if (!running)
      throw new Refusal(409, 'ERR_INPUT', `batch ${summary.id} is ${stateOf(summary)}: there is nothing to pause`);
    running.pause();
    return done(request, reply, summary);
  });

  app.post<OfBatch>('/v1/batches/:id/resume', { config, schema }, async (request, reply) => {
    const summary = await seen(request, parts);
    const { id, state } = summary;
    const running = batches.running(id);
    running?.unpause();
    if (running) return done(request, reply, summary);
    if (state !== 'interrupted')
      throw new Refusal(409, 'ERR_INPUT', `batch ${id} is ${stateOf(summary)}: there is nothing to go on with`);
    return done(request, reply, await notBusy(batches.goOn(summary, request.principal)));
  });

  app.post<OfBatch & { Querystring: RetryQuery }>(
    '/v1/batches/:id/retry',
    { config, schema: { params: batchParams, querystring: retryQuery, body: noBody } },
    async (request, reply) => {
      const of = await seen(request, parts);
      const { outcomes = ['failed', 'not_started'], ...options } = request.query;
      const { principal } = request;
      const key = idempotencyKey(request.headers['idempotency-key']);
      if (of.state === 'running' || of.state === 'interrupted')
        throw new Refusal(409, 'ERR_INPUT', `batch ${of.id} has not ended: resume it, or cancel it`);
      return answer(await batches.retry({ principal, key, of, outcomes, options }), request, reply, parts);
    },
  );

  app.delete<OfBatch>('/v1/batches/:id', { config, schema }, async (request, reply) => {
    const { id } = await seen(request, parts);
    await stillThere(id, notBusy(batches.remove(id, request.principal)));
    reply.code(204);
    audit(request, reply, parts, id);
    return reply.send();
  });
}

interface OfBatch {
  Params: { id: string };
}

/** What the caller may not see is not there for it. */
async function seen(request: FastifyRequest<OfBatch>, { engine, batches }: Parts): Promise<BatchSummary> {
  const { id } = request.params;
  const summary = engine.batches.has(id) ? await found(batches.summaries.show(id)) : undefined;
  if (summary && request.principal.sees(ownerOf(summary))) return summary;
  throw new KeylaneError('ERR_NOT_FOUND', `there is no batch ${id}`);
}

async function found(summary: Promise<BatchSummary>): Promise<BatchSummary | undefined> {
  try {
    return await summary;
  } catch (error) {
    // It is being made, or has just been removed.
    if (error instanceof KeylaneError && error.code === 'ERR_INPUT') return undefined;
    throw error;
  }
}

function toldOf(summary: BatchSummary, { batches }: Parts): ToldBatch {
  const running = batches.running(summary.id);
  return told(summary, running && { paused: running.isPaused });
}

function answer({ isNew, summary }: Made, request: FastifyRequest, reply: FastifyReply, parts: Parts): ToldBatch {
  reply.code(isNew ? 201 : 200).header('location', `/v1/batches/${summary.id}`);
  audit(request, reply, parts, summary.id);
  return toldOf(summary, parts);
}

/** Of what needs nothing but a batch that is there: it may have been removed since it was looked for. */
async function stillThere<T>(id: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof KeylaneError && !(error instanceof Refusal) && error.code === 'ERR_INPUT')
      throw new KeylaneError('ERR_NOT_FOUND', `there is no batch ${id}`);
    throw error;
  }
}

/** That a process runs it is no trouble of the service. */
async function notBusy<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof KeylaneError && error.code === 'ERR_STORE_BUSY')
      throw new Refusal(409, error.code, 'a process runs this batch; cancel it, or wait for its end');
    throw error;
  }
}

function stateOf({ state }: BatchSummary): string {
  return state === 'running' ? 'run by another process' : state;
}

function lastEventId(header: string | string[] | undefined): number | undefined {
  if (header === undefined || header === '') return undefined;
  if (typeof header === 'string' && /^\d{1,10}$/.test(header)) return Number(header);
  throw new KeylaneError('ERR_INPUT', 'the header `Last-Event-ID` must be the `id` of an event of this batch');
}

function audit(request: FastifyRequest, reply: FastifyReply, { audit: write }: Parts, batch?: string): void {
  const { method, routeOptions, principal, ip } = request;
  write({
    ...{ principal: principal.name, address: ip, route: `${method} ${routeOptions.url}` },
    ...(batch !== undefined && { batch }),
    outcome: String(reply.statusCode),
    ms: Math.round(reply.elapsedTime),
  });
}
