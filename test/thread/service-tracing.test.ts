import {
  type Context,
  type Span,
  type SpanContext,
  type SpanOptions,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { until } from '../support/engine.js';
import { TestService } from '../support/service.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;

interface Seen {
  name: string;
  outcome: unknown;
  parent: SpanContext | undefined;
}

const spans: Seen[] = [];
/** A program's own provider, as an SDK registers it. */
const provider: TracerProvider = {
  getTracer: () => ({
    startSpan(name: string, { attributes }: SpanOptions = {}, context?: Context) {
      spans.push({ name, outcome: attributes?.['keylane.outcome'], parent: context && trace.getSpanContext(context) });
      return { addEvent() {}, setStatus() {}, end() {} } as unknown as Span;
    },
    startActiveSpan: () => {
      throw new Error('not asked for');
    },
  }),
};

let its: TestService;
beforeAll(async () => {
  its = await TestService.start();
});
afterAll(() => its.stop());
afterEach(() => {
  spans.length = 0;
  trace.disable();
});

test('the caller’s place in its trace is in the result, and a span is its child', async () => {
  trace.setGlobalTracerProvider(provider);
  const body = { driver: 'echo', request: { key: 'a' } };
  const answer = await its.call('POST', '/v1/run', body, { traceparent, tracestate: 'vendor=1' });
  expect(await answer.json()).toMatchObject({ outcome: 'ok', traceparent });
  expect(spans).toMatchObject([{ name: 'keylane echo', outcome: 'ok', parent: { traceId: TRACE, isRemote: true } }]);
  expect(spans[0]?.parent?.traceState?.get('vendor')).toBe('1');
});

test('requests that fail, streams and jobs of batches have spans, too', async () => {
  trace.setGlobalTracerProvider(provider);
  await its.call('POST', '/v1/run', { driver: 'echo', request: { key: 'b', fault: 'ERR_CONNECT' } }, { traceparent });
  await (await its.call('POST', '/v1/stream', { driver: 'echo', request: { key: 'c' } }, { traceparent })).text();
  const lines = [1, 2].map((id) =>
    JSON.stringify({ id: String(id), driver: 'echo', request: { key: 'd' }, traceparent }),
  );
  const headers = { authorization: `Bearer ${its.service.token}`, 'content-type': 'application/x-ndjson' };
  const send = (path: string, more: Record<string, string>) =>
    fetch(`${its.service.url}${path}`, {
      method: 'POST',
      headers: { ...headers, ...more },
      body: `${lines.join('\n')}\n`,
    });
  await send('/v1/batches', { 'idempotency-key': 'traced' });
  await (await send('/v1/batches?journal=false', {})).text();
  await until(() => spans.length === 6);
  expect(spans.map(({ outcome }) => outcome)).toEqual(['not_started', 'ok', 'ok', 'ok', 'ok', 'ok']);
  expect(new Set(spans.map(({ name, parent }) => `${name} ${parent?.traceId}`))).toEqual(
    new Set([`keylane echo ${TRACE}`]),
  );
});

test('without a provider there is no span, and the place in the trace is in the result all the same', async () => {
  const answer = await its.call('POST', '/v1/run', { driver: 'echo', request: { key: 'a' } }, { traceparent });
  expect(await answer.json()).toMatchObject({ traceparent });
  expect(spans).toEqual([]);
});
