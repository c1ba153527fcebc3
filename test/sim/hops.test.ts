import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BatchOptions } from '../../src/batch-options.ts';
import { KeylaneError } from '../../src/errors.ts';
import { laneOf } from '../../src/routing.ts';
import type { CallOptions, Driver, DriverName, ExecuteContext, RequestOf, Result, Spec } from '../../src/types.ts';
import { SEED, seeded } from '../support/seed.ts';
import type { VirtualThread } from './world/thread.ts';
import { VirtualEngine } from './world/virtual-engine.ts';
import { World } from './world/world.ts';

/** A page is `<key>/<path>`. */
interface PageRequest {
  page: string;
  method?: 'GET' | 'POST';
}

interface PageAnswer {
  page: string;
  status: number;
  to?: string;
  laterMs?: number;
}

/** What a page answers; `refused`: its key cannot be connected to. */
interface Page {
  status?: number;
  to?: string;
  laterMs?: number;
  takesMs?: number;
  refused?: boolean;
  chunk?: string;
}

const parsedOf = ({ page, method = 'GET' }: PageRequest) => {
  const key = page.split('/')[0]!;
  const lane = laneOf(key, null);
  return { key, lane, target: key, request: { page, method }, ...(method === 'GET' && { idempotent: true }) };
};

const SPEC: Spec<PageRequest, PageRequest, PageAnswer> = {
  name: 'pages',
  parse: parsedOf,
  ok: ({ status }) => status < 400,
  follow: ({ status, to }) => {
    if (status !== 302) return undefined;
    if (to === 'forbidden') throw new KeylaneError('ERR_DENIED', 'it may not be followed');
    return parsedOf({ page: to! });
  },
  again: ({ laterMs }, { idempotent }) => (idempotent ? laterMs : undefined),
};

let world: World;
let virtual: VirtualEngine;
let pages: Record<string, Page | Page[]>;
/** Requests that came to a peer. */
let asked: string[];

/** The thread of the next request dies while it is at its peer. */
let isCut = false;

function driver(thread: VirtualThread): Driver {
  const { clock } = thread;
  const later = (ms: number) => new Promise<void>((resolve) => clock.timer(ms, resolve));
  return {
    streams: 4,
    open: async (target: string) => {
      await later(world.delay(1, 20));
      const down = Object.entries(pages).some(([page, what]) => page.startsWith(`${target}/`) && 'refused' in what);
      if (down) throw new KeylaneError('ERR_CONNECT', `${target} refused`, { key: target });
      return {};
    },
    execute: async (_connection: object, { page, method }: PageRequest, context: ExecuteContext) => {
      asked.push(`${method} ${page}`);
      context.sent();
      if (isCut) world.after(100, () => thread.die('by the test'));
      isCut = false;
      const script = pages[page] ?? { status: 404 };
      const { status = 200, takesMs = 10, chunk, ...more } = (Array.isArray(script) ? script.shift() : script) ?? {};
      const aborted = new Promise<never>((_, reject) => context.onAbort(reject));
      await Promise.race([later(takesMs), aborted]);
      if (chunk !== undefined && context.live) await context.chunk('message', Buffer.from(chunk));
      return { page, status, ...more };
    },
    ok: ({ status }: PageAnswer) => status < 400,
    reusable: () => true,
    close: () => {},
  } as unknown as Driver;
}

beforeEach(() => {
  seeded();
  world = new World(SEED);
  asked = [];
  pages = {
    'a/start': { status: 302, to: 'b/next' },
    'b/next': { status: 302, to: 'c/end' },
    'c/end': { status: 200, chunk: 'the end' },
  };
  virtual = new VirtualEngine(world, SPEC as unknown as Spec, driver, { limits: { groups: { one: 1 } } });
});

afterEach(async () => {
  const stats = await virtual.until(virtual.engine.stats());
  expect([stats.inFlight, stats.queued]).toEqual([0, 0]);
  await virtual.close();
});

const DRIVER = 'pages' as DriverName;
const result = (page: string, options: CallOptions = {}, method: PageRequest['method'] = 'GET') =>
  virtual.until(virtual.engine.result(DRIVER, { page, method } as never, options)) as Promise<
    Result<unknown, PageAnswer>
  >;

describe('an answer that leads on', () => {
  test('is followed to the next key, and told as one request with the times of all', async () => {
    const { outcome, response, key, attempts, timing } = await result('a/start');
    expect(asked).toEqual(['GET a/start', 'GET b/next', 'GET c/end']);
    expect({ outcome, response, key, attempts }).toMatchObject({ outcome: 'ok', key: 'c', attempts: 1 });
    expect(response?.page).toBe('c/end');
    expect(timing.runMs).toBeGreaterThanOrEqual(30);
    const { requests } = await virtual.until(virtual.engine.stats());
    expect(requests.pages?.outcomes).toMatchObject({ ok: 1 });
  });

  test('is followed for run, for a stream with its chunks, and for each request of a batch', async () => {
    const { engine } = virtual;
    const run = engine.run(DRIVER, { page: 'a/start' } as never) as unknown as Promise<PageAnswer>;
    expect((await virtual.until(run)).page).toBe('c/end');
    const stream = engine.stream(DRIVER, { page: 'a/start' } as never);
    const read = async () => {
      let text = '';
      for await (const { data } of stream) text += data.toString();
      return text;
    };
    void stream.write('what the first may read');
    stream.end();
    expect(await virtual.until(read())).toBe('the end');
    expect(await virtual.until(stream.response as Promise<unknown>)).toMatchObject({ page: 'c/end' });
    const all = async () => {
      const inputs = Array.from({ length: 50 }, () => ({ page: 'a/start' })) as never[];
      const results = [];
      const options: BatchOptions<RequestOf<DriverName>> = { concurrency: 7 };
      for await (const { response } of engine.batch(DRIVER, inputs, options)) results.push(response);
      return results as unknown as PageAnswer[];
    };
    expect((await virtual.until(all())).map(({ page }) => page)).toEqual(new Array(50).fill('c/end'));
    expect(asked.filter((one) => one === 'GET c/end')).toHaveLength(52);
  });

  test('takes the place of the one before it, also where its label has one place only', async () => {
    const both = [result('a/start', { labels: ['one'] }), result('a/start', { labels: ['one'] })];
    expect((await Promise.all(both)).map(({ outcome }) => outcome)).toEqual(['ok', 'ok']);
  });

  test('has what is left of the time', async () => {
    pages['a/start'] = { status: 302, to: 'b/next', takesMs: 600 };
    pages['b/next'] = { takesMs: 600 };
    const { error, outcome, key } = await result('a/start', { timeoutMs: 1_000 });
    expect([error?.code, outcome, key]).toEqual(['ERR_TIMEOUT', 'unknown', 'b']);
  });

  test('is followed twenty times at most', async () => {
    for (let i = 0; i < 30; i++) pages[`k${i}/p`] = { status: 302, to: `k${i + 1}/p` };
    pages['k30/p'] = {};
    expect((await result('k10/p')).outcome).toBe('ok');
    const { error } = await result('k9/p');
    expect(error).toMatchObject({ code: 'ERR_PROTOCOL', message: 'k9 led on 20 times, and would again, to k30' });
  });

  test('that may not be followed ends with what its driver says', async () => {
    pages['a/start'] = { status: 302, to: 'forbidden' };
    expect((await result('a/start')).error).toMatchObject({ code: 'ERR_DENIED', outcome: 'not_started' });
  });

  test.each([
    ['GET', 'not_started'],
    ['POST', 'unknown'],
  ] as const)('after a %s, to a host that cannot be connected to, is %s', async (method, outcome) => {
    pages['b/next'] = { refused: true };
    const { error } = await result('a/start', {}, method);
    expect(error).toMatchObject({ code: 'ERR_CONNECT', outcome, key: 'b' });
    if (method === 'POST') expect(error?.message).toContain('a had answered, and may have done something');
  });

  test('is not followed any more where the caller has called it off, however far it is', async () => {
    pages['b/next'] = { status: 302, to: 'c/end', takesMs: 50 };
    for (const afterMs of [1, 5, 12, 20, 30, 40, 60, 90]) {
      asked.length = 0;
      const controller = new AbortController();
      world.after(afterMs, () => controller.abort());
      const { outcome } = await result('a/start', { signal: controller.signal });
      if (outcome !== 'ok') expect(outcome).toBe('canceled');
      const stream = virtual.engine.stream(DRIVER, { page: 'a/start' } as never);
      let end = 0;
      world.after(afterMs, () => stream.cancel());
      await virtual.until(stream.response.catch(() => {}) as Promise<unknown>);
      end = asked.length;
      await virtual.until(new Promise<void>((resolve) => world.after(1_000, resolve)));
      expect(asked).toHaveLength(end);
    }
  });

  test('is asked for each hop by a plan of its own, out of what is remembered where it can', async () => {
    const first = await result('a/start', { cache: { ttlMs: 60_000 } });
    expect([first.cache, asked.length]).toEqual(['miss', 3]);
    // Its answers are ok, so each of them is remembered.
    const second = await result('a/start', { cache: { ttlMs: 60_000 } });
    expect([second.cache, second.response?.page, asked.length]).toEqual(['hit', 'c/end', 3]);
    const end = await result('c/end', { cache: { ttlMs: 60_000 } });
    expect([end.cache, asked.length]).toEqual(['hit', 3]);
    await virtual.until(virtual.engine.cache.invalidate('key:b'));
    await result('a/start', { cache: { ttlMs: 60_000 } });
    expect(asked.slice(3)).toEqual(['GET b/next']);
  });
});

describe('an answer that says later', () => {
  const LATER: Page = { status: 503, laterMs: 3_000 };

  test('is asked for again after that time, and told of in the history', async () => {
    pages['c/end'] = [{ ...LATER }, { ...LATER }, {}];
    const start = world.clock.now();
    const { outcome, attempts, history } = await result('c/end', { attempts: 3 });
    expect([outcome, attempts]).toEqual(['ok', 3]);
    expect(history).toMatchObject([
      { outcome: 'failed', code: 'NOT_NOW' },
      { outcome: 'failed', code: 'NOT_NOW' },
    ]);
    expect(world.clock.now() - start).toBeGreaterThanOrEqual(6_000);
  });

  test('is what is given where the tries are over, the time is up, or the driver says no', async () => {
    pages['c/end'] = { ...LATER };
    expect(await result('c/end', { attempts: 2 })).toMatchObject({ outcome: 'failed', attempts: 2, response: LATER });
    expect(await result('c/end')).toMatchObject({ outcome: 'failed', attempts: 1 });
    expect(await result('c/end', { attempts: 5, timeoutMs: 4_000 })).toMatchObject({ outcome: 'failed', attempts: 2 });
    expect(await result('c/end', { attempts: 5 }, 'POST')).toMatchObject({ outcome: 'failed', attempts: 1 });
  });

  test('is asked for again in a batch, where it does not count as a failure meanwhile', async () => {
    pages['c/end'] = [{ ...LATER }, { ...LATER }, {}, {}];
    const all = async () => {
      const results = [];
      const options: BatchOptions<RequestOf<DriverName>> = { concurrency: 1, maxFailures: 1 };
      for await (const one of virtual.engine.batch(DRIVER, [{ page: 'c/end' }, { page: 'c/end' }] as never[], options))
        results.push(one);
      return results;
    };
    const results = await virtual.until(all());
    expect(results.map(({ outcome, attempts }) => [outcome, attempts])).toEqual([
      ['ok', 3],
      ['ok', 1],
    ]);
  });

  test('begins anew where it had been led to', async () => {
    pages['c/end'] = [{ ...LATER }, {}];
    expect(await result('a/start', { attempts: 2 })).toMatchObject({ outcome: 'ok', attempts: 2 });
    expect(asked).toHaveLength(6);
  });
});

test('what its protocol says is harmless twice is tried again where nobody knows whether it ran', async () => {
  // Each has its own key: one whose requests kill shards is kept out.
  for (const key of ['c', 'd', 'e']) pages[`${key}/slow`] = { takesMs: 5_000 };
  isCut = true;
  const get = await result('c/slow', { attempts: 3, timeoutMs: 30_000 });
  expect([get.outcome, get.history.map(({ outcome }) => outcome)]).toEqual(['ok', ['unknown']]);
  isCut = true;
  expect((await result('d/slow', { attempts: 3, timeoutMs: 30_000 }, 'POST')).outcome).toBe('unknown');
  isCut = true;
  expect((await result('e/slow', { attempts: 3, timeoutMs: 30_000, idempotent: false })).outcome).toBe('unknown');
});
