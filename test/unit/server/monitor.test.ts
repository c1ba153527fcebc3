import { expect, onTestFinished, test } from 'vitest';
import type { EngineStats, RequestStats } from '../../../src/index.js';
import type { HttpMeter } from '../../../src/server/metrics/http.js';
import { Monitor } from '../../../src/server/metrics/monitor.js';
import type { ServiceStats } from '../../../src/server/metrics/stats.js';
import type { App } from '../../../src/server/parts.js';
import { until } from '../../support/engine.js';
import { FakeClock } from '../../support/fake-clock.js';

const BOUNDS = [1, 10, 100];
const NONE = { outcomes: { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 }, errors: {} };

/** A monitor of an engine that is asked by hand. */
function watched() {
  const clock = new FakeClock();
  const hooks = new Map<string, (done: () => void) => void>();
  const engine = { asked: 0, requests: {} as Record<string, RequestStats>, answer: () => {} };
  let refused: Record<string, number> = {};
  const monitor = new Monitor({
    clock,
    engine: {
      stats: () => {
        engine.asked++;
        const { requests } = engine;
        const stats = { inFlight: 1, queued: 2, requests, shards: [{ busy: 0.5 }], groups: {} };
        return Promise.resolve(stats as unknown as EngineStats);
      },
    },
    http: { stats: () => ({ connections: 1, inFlight: 0, requests: 9, refused }) } as unknown as HttpMeter,
    streams: () => ({ open: 3, dropped: 4 }),
    wallNow: () => clock.now(),
  });
  monitor.watch({ addHook: (name: string, call: () => void) => hooks.set(name, call) } as unknown as App);
  hooks.get('onReady')?.(() => {});
  onTestFinished(() => hooks.get('onClose')?.(() => {}));
  const heard: ServiceStats[] = [];
  monitor.hear((sample) => heard.push(sample));
  const second = async () => {
    const before = heard.length;
    clock.advance(1_000);
    await until(() => heard.length > before);
    return heard.at(-1) as ServiceStats;
  };
  const settle = (ok: number, counts: number[], errors: Record<string, number> = {}) => {
    const total = { boundsMs: BOUNDS, counts, count: 0, sumMs: 0 };
    const outcomes = {
      ...NONE.outcomes,
      ok,
      not_started: Object.values(errors).reduce((sum, count) => sum + count, 0),
    };
    engine.requests = { echo: { outcomes, errors, total } as unknown as RequestStats };
  };
  const close = () => hooks.get('onClose')?.(() => {});
  const refuse = (counts: Record<string, number>) => {
    refused = counts;
  };
  return { clock, engine, monitor, heard, second, settle, close, refuse };
}

test('it looks once a second, however many hear, and hands all of them the same sample', async () => {
  const { engine, monitor, heard, second } = watched();
  const others: ServiceStats[] = [];
  for (let count = 0; count < 1_000; count++) monitor.hear((sample) => others.push(sample));
  const sample = await second();
  expect(engine.asked).toBe(1);
  expect(others).toHaveLength(1_000);
  expect(new Set([...heard, ...others]).size).toBe(1);
  expect(sample).toMatchObject({ at: 1_000, uptimeMs: 1_000, http: { streams: 3, dropped: 4, requests: 9 } });
});

test('who leaves is told no more', async () => {
  const { monitor, second } = watched();
  const told: number[] = [];
  const leave = monitor.hear(({ at }) => told.push(at));
  await second();
  leave();
  await second();
  expect(told).toEqual([1_000]);
});

test('who asks in between gets a fresh one, and many who ask at once share it', async () => {
  const { engine, monitor } = watched();
  const [one, other] = await Promise.all([monitor.stats(), monitor.stats()]);
  expect(engine.asked).toBe(1);
  expect(other).toBe(one);
  await monitor.stats();
  expect(engine.asked).toBe(2);
});

test('rates and quantiles are of what was settled in the last second', async () => {
  const { monitor, second, settle, refuse } = watched();
  settle(100, [100, 0, 0, 0]);
  await second();
  settle(150, [100, 50, 0, 0], { ERR_CONNECT: 5, ERR_SATURATED: 20 });
  refuse({ ERR_QUOTA: 3, ERR_INPUT: 100 });
  const { lately } = await second();
  expect(lately).toMatchObject({ perSecond: 75, notOkPerSecond: 25, refusedPerSecond: 23, p50Ms: 5.5 });
  expect(lately.p99Ms).toBeCloseTo(9.91);
  expect((await second()).lately).toMatchObject({ perSecond: 0, p50Ms: null });
  const { t, series } = monitor.history();
  expect(t).toEqual([1, 2, 3]);
  expect(series).toMatchObject({
    throughput: [0, 75, 0],
    p50: [null, 5.5, null],
    queued: [2, 2, 2],
    busy0: [0.5, 0.5, 0.5],
  });
});

test('a loop that was late for long is no reason to make up for it', async () => {
  const { clock, engine, heard, second } = watched();
  clock.advance(60_000);
  await until(() => heard.length > 0);
  expect(engine.asked).toBeLessThanOrEqual(2);
  await second();
  expect(engine.asked).toBeLessThanOrEqual(3);
});

test('closed, it looks no more and leaves no timer', async () => {
  const { clock, engine, second, close } = watched();
  await second();
  close();
  expect(clock.pending).toBe(0);
  clock.advance(5_000);
  expect(engine.asked).toBe(1);
});
