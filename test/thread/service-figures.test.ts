import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/engine.js';
import { parseExposition, type Scraped, valueIn } from '../support/prometheus.js';
import { TestService } from '../support/service.js';
import { sseEvents } from '../support/sse-reader.js';

const LIMITED = 'a-token-for-some-hosts-only';
const READ_ONLY = 'a-token-that-may-only-look';
const ECHO_OK = { driver: 'echo', outcome: 'ok' };
const EVENTS = { accept: 'text/event-stream' };
let its: TestService;

beforeAll(async () => {
  const token = digestOf(LIMITED);
  its = await TestService.start({
    tokens: [
      { name: 'some', token, hosts: ['own-*'] },
      { name: 'looks', token: digestOf(READ_ONLY), readOnly: true },
    ],
    engine: { shards: 2, limits: { breaker: { failures: 1 } } },
    metrics: { keys: true },
  });
});
afterAll(() => its.stop());

test('what was run is counted by driver and outcome, on whatever way it was asked for', async () => {
  await run({ key: 'own-1' });
  const before = valueIn(await scraped(), 'keylane_requests_total', ECHO_OK);
  await run({ key: 'own-1' });
  await its.service.engine.run('echo', { key: 'other-1' });
  const after = await scraped();
  expect(valueIn(after, 'keylane_requests_total', ECHO_OK)).toBe(before + 2);
  expect(valueIn(after, 'keylane_request_duration_seconds_count', { driver: 'echo' })).toBe(before + 2);
});

test('HTTP is counted by route as the API has it, whatever is asked: ids, queries and nonsense make no series', async () => {
  await Promise.all([its.call('GET', '/v1/stats/history?last=3'), its.call('GET', '/v1/stats/history?last=nonsense')]);
  for (const path of ['/v1/none/1', '/v1/none/2?a=b']) expect((await its.call('GET', path)).status).toBe(404);
  await its.call('POST', '/v1/run', { driver: 'echo' });
  // Its own is the only one left: all others are closed, and counted.
  await until(async () => valueIn(await scraped(), 'keylane_http_requests_in_flight') === 1);
  const scrape = await scraped();
  const routes = scrape.get('keylane_http_requests_total')?.samples.map(({ labels }) => labels.route);
  const known = new Set(routes);
  expect(known).toContain('/v1/stats/history');
  expect([...known].filter((route) => route?.includes('none'))).toEqual(['none']);
  expect(valueIn(scrape, 'keylane_http_requests_total', { route: 'none', status: '404' })).toBeGreaterThanOrEqual(2);
  expect(valueIn(scrape, 'keylane_http_requests_total', { route: '/v1/stats/history', status: '200' })).toBe(1);
  expect(valueIn(scrape, 'keylane_http_requests_total', { route: '/v1/stats/history', status: '400' })).toBe(1);
  expect(valueIn(scrape, 'keylane_http_refused_total', { reason: 'ERR_INPUT' })).toBeGreaterThanOrEqual(1);
});

test('what is no request is counted as refused, by why', async () => {
  const { hostname, port } = new URL(its.service.url);
  const send = async (text: string) => {
    const socket = connect(Number(port), hostname);
    socket.end(text);
    await once(socket.resume(), 'close');
  };
  await send('this is no HTTP\r\n\r\n');
  await send(`GET / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`);
  const scrape = await scraped();
  expect(valueIn(scrape, 'keylane_http_refused_total', { reason: 'no_http' })).toBe(1);
  expect(valueIn(scrape, 'keylane_http_refused_total', { reason: 'head_too_large' })).toBe(1);
});

test('a request whose client goes is in flight until then, and counts as gone', async () => {
  const client = new AbortController();
  const asked = fetch(`${its.service.url}/v1/run`, {
    method: 'POST',
    headers: { authorization: `Bearer ${its.service.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ driver: 'echo', request: { key: 'own-1', fault: 'hang' }, timeoutMs: 0 }),
    signal: client.signal,
  });
  const gone = expect(asked).rejects.toThrow();
  await until(async () => valueIn(await scraped(), 'keylane_http_requests_in_flight') === 2);
  client.abort();
  await gone;
  await until(async () => valueIn(await scraped(), 'keylane_http_requests_in_flight') === 1);
  expect(valueIn(await scraped(), 'keylane_http_requests_total', { route: '/v1/run', status: '499' })).toBe(1);
});

test('the figures of the process are there, and are those of this process', async () => {
  const scrape = await scraped();
  expect(valueIn(scrape, 'process_resident_memory_bytes')).toBeGreaterThan(30e6);
  expect(valueIn(scrape, 'keylane_process_anonymous_memory_bytes')).toBeGreaterThan(20e6);
  expect(valueIn(scrape, 'process_open_fds')).toBeGreaterThan(10);
  expect(valueIn(scrape, 'process_cpu_seconds_total')).toBeGreaterThan(0.1);
  expect(Math.abs(valueIn(scrape, 'process_start_time_seconds') - Date.now() / 1_000)).toBeLessThan(600);
  expect(valueIn(scrape, 'keylane_shard_up', { shard: '1' })).toBe(1);
  for (const thread of ['main', 'shard0', 'shard1'])
    expect(valueIn(scrape, 'keylane_loop_busy_ratio', { thread })).toBeLessThanOrEqual(1);
});

test('statistics come as they are now, and once a second to whoever listens, with the same text for all', async () => {
  const once = (await (await its.call('GET', '/v1/stats')).json()) as { engine: { shards: unknown[] } };
  expect(once).toMatchObject({ version: expect.any(String), process: { pid: process.pid } });
  expect(once.engine.shards).toHaveLength(2);
  const both = await Promise.all([0, 1].map(() => its.call('GET', '/v1/stats', undefined, EVENTS)));
  const seen = await Promise.all(
    both.map(async (answer) => {
      const found: string[] = [];
      for await (const { name, data } of sseEvents(answer)) {
        expect(name).toBe('stats');
        if (found.push(data) === 3) break;
      }
      return found;
    }),
  );
  const [one = [], other = []] = seen;
  // One of them may have come a second later.
  expect(one.filter((data) => other.includes(data)).length).toBeGreaterThanOrEqual(1);
  const times = one.map((data) => (JSON.parse(data) as { at: number }).at);
  expect(times).toEqual([...times].sort());
  await until(async () => valueIn(await scraped(), 'keylane_http_streams') === 0);
});

test('the history has a row a second, as columns', async () => {
  interface Columns {
    t: number[];
    series: Record<string, (number | null)[]>;
  }
  const read = async (): Promise<Columns> =>
    (await (await its.call('GET', '/v1/stats/history?last=2')).json()) as Columns;
  await run({ key: 'own-1' });
  await until(async () => (await read()).t.length === 2);
  const { t, series } = await read();
  const [first = 0, second = 0] = t;
  expect(second).toBeGreaterThan(first);
  for (const name of ['throughput', 'failed', 'p50', 'p95', 'p99', 'inFlight', 'queued', 'busy', 'busy0', 'busy1'])
    expect(series[name], name).toHaveLength(2);
});

test('events are kept, counted, and told as they happen', async () => {
  const answer = await its.call('GET', '/v1/events', undefined, EVENTS);
  await run({ key: 'own-dead', fault: 'ERR_CONNECT' });
  for await (const { name, data } of sseEvents(answer)) {
    if (name !== 'breaker_open') continue;
    expect(JSON.parse(data)).toMatchObject({ event: { type: 'breaker_open', key: 'own-dead' } });
    break;
  }
  const { events } = (await (await its.call('GET', '/v1/events')).json()) as { events: { event: { type: string } }[] };
  expect(events.map(({ event }) => event.type)).toContain('breaker_open');
  const scrape = await scraped();
  expect(valueIn(scrape, 'keylane_events_total', { type: 'breaker_open' })).toBeGreaterThanOrEqual(1);
  const open = scrape
    .get('keylane_breakers')
    ?.samples.filter(({ labels }) => labels.what === 'connect' && labels.state === 'open')
    .reduce((sum, { value }) => sum + value, 0);
  expect(open).toBeGreaterThanOrEqual(1);
});

test('a token for some hosts is told of no other key: in statistics, events, accounts and the cache', async () => {
  // Of the keys with most requests a sample is taken: one in 16.
  for (const key of ['own-2', 'other-2'])
    await Promise.all(Array.from({ length: 400 }, () => its.service.engine.run('echo', { key })));
  await run({ key: 'other-dead', fault: 'ERR_CONNECT' });
  await its.service.engine.accounts.add({ name: 'hidden', driver: 'ssh', endpoint: { host: 'other-3' } });
  await its.service.engine.accounts.add({
    name: 'shown',
    driver: 'ssh',
    endpoint: { host: 'own-3' },
    secrets: { password: 'env:SECRET' },
  });
  const paths = [
    '/v1/stats',
    '/v1/events',
    '/v1/accounts',
    '/v1/cache/entries',
    '/v1/stats/history',
    '/metrics',
    '/v1/hosts',
  ];
  const whole = await Promise.all(paths.map(async (path) => (await its.call('GET', path)).text()));
  expect(whole.join()).toMatch(/other-2[\s\S]*other-dead[\s\S]*hidden/);
  expect(whole.join()).not.toContain('SECRET');
  const own = { authorization: `Bearer ${LIMITED}` };
  const part = await Promise.all(paths.map(async (path) => (await its.call('GET', path, undefined, own)).text()));
  expect(part.join()).not.toMatch(/other-|hidden/);
  expect(part.join()).toMatch(/own-2[\s\S]*own-dead[\s\S]*shown/);
  for await (const { data } of sseEvents(await its.call('GET', '/v1/stats', undefined, { ...EVENTS, ...own }))) {
    expect(data).not.toContain('other-');
    if (data.includes('own-2')) break;
  }
});

test('hosts are told with their pool and their breaker, those that were asked for, and only as many', async () => {
  interface Hosts {
    hosts: { key: string; connections: { idle: number }; breaker?: { what: string } }[];
  }
  const hosts = async (query: string) => ((await (await its.call('GET', `/v1/hosts?${query}`)).json()) as Hosts).hosts;
  await run({ key: 'own-5' });
  await run({ key: 'own-6', fault: 'ERR_CONNECT' });
  const found = await hosts('match=own-[');
  expect(found).toEqual([]);
  expect(await hosts('match=own-5')).toMatchObject([{ key: 'own-5', connections: { idle: 1 } }]);
  const stopped = await hosts('stopped=true&match=*-6');
  expect(stopped).toMatchObject([{ key: 'own-6', breaker: { what: 'connect', state: 'open' } }]);
  expect(await hosts('limit=1')).toHaveLength(1);
  expect((await its.call('GET', '/v1/hosts?limit=0')).status).toBe(400);
  expect((await its.call('GET', '/v1/hosts?like=own')).status).toBe(400);
});

test('a token that is read-only may look at all of it, and have nothing forgotten', async () => {
  const headers = { authorization: `Bearer ${READ_ONLY}` };
  const paths = ['/v1/stats', '/v1/stats/history', '/v1/events', '/v1/accounts', '/v1/cache', '/v1/cache/entries'];
  for (const path of [...paths, '/v1/hosts', '/metrics'])
    expect([path, (await its.call('GET', path, undefined, headers)).status]).toEqual([path, 200]);
  expect((await its.call('DELETE', '/v1/cache?pattern=*', undefined, headers)).status).toBe(403);
});

test('what is remembered is forgotten on request, by a token for some hosts only of these', async () => {
  let calls = 0;
  const ask = async (key: string) => {
    calls++;
    await its.service.engine.run('echo', { key, payload: 'x' }, { cache: true });
  };
  await ask('own-4');
  await ask('other-4');
  expect(await (await its.call('GET', '/v1/cache')).json()).toMatchObject({ operations: { echo: { misses: calls } } });
  const own = { authorization: `Bearer ${LIMITED}` };
  const forget = (pattern: string, headers = {}) =>
    its.call('DELETE', `/v1/cache?pattern=${encodeURIComponent(pattern)}`, undefined, headers);
  for (const pattern of ['key:other-4', 'echo:*', 'key:own-*', '*'])
    expect((await forget(pattern, own)).status).toBe(403);
  expect(await (await forget('key:own-4', own)).json()).toEqual({ forgotten: 1 });
  expect(await (await forget('key:other-4')).json()).toEqual({ forgotten: 1 });
  expect((await its.call('DELETE', '/v1/cache')).status).toBe(400);
});

function digestOf(token: string): string {
  return `sha256:${createHash('sha256').update(token).digest('hex')}`;
}

async function run(request: object): Promise<void> {
  await its.call('POST', '/v1/run', { driver: 'echo', request });
}

async function scraped(): Promise<ReadonlyMap<string, Scraped>> {
  const answer = await its.call('GET', '/metrics');
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return parseExposition(await answer.text());
}
