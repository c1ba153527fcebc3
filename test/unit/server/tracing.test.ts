import {
  type Attributes,
  type Context,
  type Span,
  type SpanContext,
  type SpanOptions,
  type SpanStatus,
  type TimeInput,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { expect, onTestFinished, test } from 'vitest';
import { KeylaneError } from '../../../src/errors.js';
import { Tracing, traceparentOf } from '../../../src/server/tracing.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const HEADERS = { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'rojo=1,congo=2' };
const RESULT = {
  key: 'web-17:22',
  outcome: 'ok',
  attempts: 1,
  shard: 1,
  reused: false,
  cache: 'none',
  timing: { queuedMs: 2, openMs: 30, runMs: 8 },
  history: [],
} as const;

interface Seen {
  name: string;
  options: SpanOptions;
  parent: SpanContext | undefined;
  events: { name: string; attributes: Attributes | undefined }[];
  status: SpanStatus | undefined;
  ended: TimeInput | undefined;
}

/** A provider that writes down what it is told; registered for the running test. */
function registered(): Seen[] {
  const spans: Seen[] = [];
  const provider: TracerProvider = {
    getTracer: () => ({
      startSpan(name: string, options: SpanOptions = {}, context?: Context) {
        const parent = context && trace.getSpanContext(context);
        const seen: Seen = { name, options, parent, events: [], status: undefined, ended: undefined };
        spans.push(seen);
        return {
          addEvent: (event: string, attributes?: Attributes) => seen.events.push({ name: event, attributes }),
          setStatus: (status: SpanStatus) => {
            seen.status = status;
          },
          end: (at?: TimeInput) => {
            seen.ended = at;
          },
        } as unknown as Span;
      },
      startActiveSpan: () => {
        throw new Error('not asked for');
      },
    }),
  };
  trace.setGlobalTracerProvider(provider);
  onTestFinished(() => trace.disable());
  return spans;
}

test('a request becomes a span of its caller’s trace, with what became of it and when it opened a connection', () => {
  const spans = registered();
  new Tracing('1.0.0').settled('ssh', RESULT, HEADERS);
  const [span] = spans;
  expect(span?.name).toBe('keylane ssh');
  expect(span?.parent).toMatchObject({ traceId: TRACE, spanId: PARENT, traceFlags: 1, isRemote: true });
  expect(span?.parent?.traceState?.get('congo')).toBe('2');
  expect(span?.options.attributes).toEqual({
    'keylane.driver': 'ssh',
    'keylane.key': 'web-17:22',
    'keylane.outcome': 'ok',
    'keylane.attempts': 1,
    'keylane.shard': 1,
    'keylane.reused': false,
    'keylane.cache': 'none',
  });
  expect(Number(span?.ended) - Number(span?.options.startTime)).toBe(40);
  expect(span?.events).toEqual([{ name: 'keylane.open', attributes: { 'keylane.open_ms': 30 } }]);
  expect(span?.status).toBeUndefined();
});

test('what is not ok says why by its code, tells of its tries, and nothing of the message', () => {
  const spans = registered();
  const error = new KeylaneError('ERR_TIMEOUT', 'a message that may say more');
  const history = [{ outcome: 'not_started', code: 'ERR_CONNECT', message: 'refused' }] as const;
  const result = { ...RESULT, outcome: 'unknown', error, attempts: 2, history } as const;
  new Tracing('1.0.0').settled('ssh', result, {});
  expect(spans[0]?.parent).toBeUndefined();
  expect(spans[0]?.status).toEqual({ code: 2, message: 'ERR_TIMEOUT' });
  expect(spans[0]?.options.attributes).toMatchObject({ 'error.type': 'ERR_TIMEOUT', 'keylane.attempts': 2 });
  expect(spans[0]?.events.at(-1)).toMatchObject({ name: 'keylane.retry', attributes: { 'error.type': 'ERR_CONNECT' } });
  expect(JSON.stringify(spans)).not.toContain('may say more');
});

test('keys are not named where that is not wanted', () => {
  const spans = registered();
  new Tracing('1.0.0', { keys: false }).settled('ssh', RESULT, HEADERS);
  expect(JSON.stringify(spans)).not.toContain('web-17');
});

test('without a provider nothing is made, and it costs next to nothing', () => {
  const tracing = new Tracing('1.0.0');
  const before = process.cpuUsage();
  for (let count = 0; count < 100_000; count++) tracing.settled('ssh', RESULT, HEADERS);
  const { user } = process.cpuUsage(before);
  console.log(`without a provider: ${user / 100_000} µs a request`);
  expect(user / 100_000).toBeLessThan(2);
});

test.each([
  [`00-${TRACE}-${PARENT}-01`, true],
  [`01-${TRACE}-${PARENT}-01-more`, true],
  [`00-${TRACE}-${PARENT}-01-more`, false],
  [`ff-${TRACE}-${PARENT}-01`, false],
  [`00-${'0'.repeat(32)}-${PARENT}-01`, false],
  [`00-${TRACE}-${'0'.repeat(16)}-01`, false],
  [`00-${TRACE.toUpperCase()}-${PARENT}-01`, false],
  [`00-${TRACE}-${PARENT}`, false],
  ['', false],
])('the header %s is taken: %s', (traceparent, taken) => {
  expect(traceparentOf({ traceparent })).toBe(taken ? traceparent : undefined);
});

test('a trace that is not well formed is begun anew', () => {
  const spans = registered();
  new Tracing('1.0.0').settled('ssh', RESULT, { traceparent: 'nonsense', tracestate: 'a=1' });
  expect(spans[0]?.parent).toBeUndefined();
});
