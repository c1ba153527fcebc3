import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/engine.js';
import { echoLines, resultsOf, shown, submit } from '../support/http-batches.js';
import { seeded } from '../support/seed.js';
import { TestService } from '../support/service.js';
import { type SseEvent, sseEvents } from '../support/sse-reader.js';

let at: TestService;
beforeAll(async () => {
  at = await TestService.start();
});
afterAll(() => at.stop());

const events = (id: string, headers: Record<string, string> = {}, query = '?follow=true') =>
  at.call('GET', `/v1/batches/${id}/results${query}`, undefined, { accept: 'text/event-stream', ...headers });

describe('the results of a batch', () => {
  test('as events lose and repeat nothing, wherever the connection is cut and the client comes back', async () => {
    const random = seeded();
    const count = 400;
    const { body } = await submit(
      at,
      'cut',
      echoLines(count, () => ({ delayMs: 2 })),
      { query: '?concurrency=4' },
    );
    const seen: number[] = [];
    let lastId = '';
    let end: SseEvent | undefined;
    let cuts = 0;
    while (!end) {
      const answer = await events(body.id, lastId === '' ? {} : { 'last-event-id': lastId });
      let left = random.below(60);
      for await (const event of sseEvents(answer)) {
        if (event.name === 'end') end = event;
        if (event.id !== undefined) {
          seen.push((JSON.parse(event.data) as { index: number }).index);
          lastId = event.id;
          expect(Number(lastId)).toBe(seen.length);
        }
        if (left-- === 0) break;
      }
      if (!end) cuts++;
    }
    expect(cuts).toBeGreaterThan(3);
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(JSON.parse(end.data)).toMatchObject({ id: body.id, state: 'done', settled: count });
  });

  test('tell between them how far it is, and many followers have all of them', async () => {
    const count = 120;
    const { body } = await submit(
      at,
      'many',
      echoLines(count, () => ({ delayMs: 10 })),
      { query: '?concurrency=2' },
    );
    const all = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const found: SseEvent[] = [];
        for await (const event of sseEvents(await events(body.id))) found.push(event);
        return found;
      }),
    );
    for (const found of all) {
      expect(found.filter(({ id }) => id !== undefined)).toHaveLength(count);
      expect(found.at(-1)?.name).toBe('end');
      const progress = found.filter(({ name }) => name === 'progress').map(({ data }) => JSON.parse(data));
      expect(progress.length).toBeGreaterThan(0);
      expect(progress.every(({ id, state, total }) => id === body.id && state === 'running' && total === count)).toBe(
        true,
      );
    }
  });

  test('are chosen by outcome, in the order of the input, from a place on', async () => {
    const lines = echoLines(100, (index) => (index % 3 === 0 ? { fault: 'failed' } : {}));
    const { body } = await submit(at, 'chosen', lines);
    await until(async () => (await shown(at, body.id)).state === 'done');
    const indexes = async (query: string) => (await resultsOf(at, body.id, query)).map(({ index }) => index);
    const failed = Array.from({ length: 34 }, (_, i) => i * 3);
    expect(await indexes('?ordered=true&outcomes=failed')).toEqual(failed);
    expect(await indexes('?ordered=true&outcomes=failed&skip=30')).toEqual(failed.slice(30));
    expect((await indexes('?outcomes=ok,failed')).length).toBe(100);
    expect(await indexes('?skip=100')).toEqual([]);
    const refused = await at.call('GET', `/v1/batches/${body.id}/results?ordered=true&follow=true`);
    expect([refused.status, ((await refused.json()) as { detail: string }).detail]).toEqual([
      400,
      expect.stringContaining('ordered'),
    ]);
    for (const [headers, query] of [
      [{ 'last-event-id': 'x' }, ''],
      [{}, '?ordered=true'],
    ] as const)
      expect((await events(body.id, headers, query)).status).toBe(400);
  });

  test('of a canceled batch come to an end for its followers, with what never ran', async () => {
    const { body } = await submit(
      at,
      'canceled',
      echoLines(20, () => ({ delayMs: 60_000 })),
      { query: '?concurrency=5' },
    );
    const followed = resultsOf(at, body.id);
    await at.call('POST', `/v1/batches/${body.id}/cancel`);
    expect((await followed).map(({ index }) => index).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  test('come from a batch that another process runs, too', async () => {
    // Its own engine stands for the other process: this service does not run it.
    const id = 'of-a-program';
    const jobs = Array.from({ length: 50 }, (_, i) => ({ request: { key: 'a', payload: i, delayMs: 20 } }));
    const batch = at.service.engine.batches.run(jobs, { driver: 'echo', journal: true, id, concurrency: 2 });
    await batch.open();
    const followed = resultsOf(at, id);
    for await (const _ of batch);
    expect(await followed).toHaveLength(50);
    expect(await shown(at, id)).toMatchObject({ state: 'done', principal: null, here: false });
    const resumed = await at.call('POST', `/v1/batches/${id}/resume`);
    expect(resumed.status).toBe(409);
  });
});
