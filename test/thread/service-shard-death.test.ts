import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CRASH } from '../support/drivers/own.js';
import { until } from '../support/engine.js';
import { parseExposition, type Scraped, valueIn } from '../support/prometheus.js';
import { TestService } from '../support/service.js';

const COUNTERS = ['keylane_connections_opened_total', 'keylane_connections_reused_total', 'keylane_cache_misses_total'];

test('counters go on where a shard was replaced: nothing that was scraped once is less later', async () => {
  const witness = join(mkdtempSync(join(tmpdir(), 'keylane-witness-')), 'witness');
  const its = await TestService.start({ engine: { drivers: [CRASH] } });
  onTestFinished(async () => {
    await its.stop();
    rmSync(join(witness, '..'), { recursive: true });
  });
  const { engine } = its.service;
  const scraped = async () => parseExposition(await (await its.call('GET', '/metrics')).text());
  const work = async () => {
    for (const key of ['a', 'b', 'c']) await engine.run('echo', { key, payload: Math.random() }, { cache: true });
    for (const key of ['a', 'b', 'c']) await engine.run('echo', { key });
  };
  await work();
  const before = await scraped();
  expect(COUNTERS.map((name) => valueIn(before, name))).toEqual([3, 3, 3]);
  await expect(engine.run('crash' as 'echo', { id: 1, key: 'd', witness, die: 'throw' } as never)).rejects.toThrow();
  await until(async () => valueIn(await scraped(), 'keylane_shard_up') === 1);
  const after = await scraped();
  noneLess(before, after);
  expect(valueIn(after, 'keylane_shard_restarts_total')).toBe(1);
  expect(valueIn(after, 'keylane_events_total', { type: 'shard_died' })).toBe(1);
  await work();
  const last = await scraped();
  noneLess(after, last);
  expect(COUNTERS.map((name) => valueIn(last, name))).toEqual([6, 6, 6]);
});

function noneLess(before: ReadonlyMap<string, Scraped>, after: ReadonlyMap<string, Scraped>): void {
  for (const { type, samples } of before.values()) {
    if (type === 'gauge') continue;
    for (const { name: series, labels, value } of samples)
      expect([series, labels, valueIn(after, series, labels) >= value]).toEqual([series, labels, true]);
  }
}
