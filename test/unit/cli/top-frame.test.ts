import { expect, test } from 'vitest';
import { painter } from '../../../src/cli/colors.ts';
import { type FrameShape, frame } from '../../../src/cli/top-frame.ts';
import type { Look } from '../../../src/cli/top-look.ts';
import { width } from '../../../src/cli/width.ts';

const plain = painter('never', false, {});

const shard = (busy: number, more: object = {}) => ({
  state: 'serving',
  restarts: 0,
  inFlight: 120,
  queued: 3,
  busy,
  hint: undefined,
  inside: {
    loopLagMs: 4.2,
    connections: { opening: 2, idle: 30, checking: 0, busy: 60, full: 8, closing: 0 },
    keys: 100,
    stopped: 1,
    topKeys: {
      overMs: 10_000,
      requests: 50_000,
      byRequests: [
        { key: `web-${Math.round(busy * 100)}.example:22`, requests: 20_000 },
        { key: 'db-01.example:22', requests: 4_000 },
      ],
      byTime: [{ key: 'slow.example:22', heldMs: 90_000 }],
    },
  },
  ...more,
});

const look = {
  stats: {
    at: 1_800_000_000_000,
    version: '0.1.0',
    uptimeMs: 7_380_000,
    lately: { perSecond: 12_345, notOkPerSecond: 3.4, refusedPerSecond: 0, p50Ms: 2.13, p95Ms: 8.4, p99Ms: null },
    process: { rssBytes: 120 * 1024 * 1024, busy: 0.34, loopLag: { p50Ms: 0, p99Ms: 1, maxMs: 3 } },
    http: { connections: 12, streams: 1 },
    engine: {
      inFlight: 240,
      queued: 6,
      shards: [shard(0.42), shard(0.97, { hint: 'web-97.example:22 takes 40 % of it', state: 'blocked', restarts: 2 })],
    },
  },
  history: { t: [1, 2, 3, 4], series: { throughput: [0, 5_000, 12_345, 9_000], p95: [null, 2, 8.4, 1] } },
  batches: [
    {
      id: 's-0123456789abcdef0123456789abcdef',
      settled: 700,
      total: 1_000,
      inFlight: 50,
      paused: true,
      counts: { ok: 690, failed: 8, not_started: 1, unknown: 1, canceled: 0 },
    },
    { id: 'nightly', settled: 7, total: null, inFlight: 1, paused: false, counts: counts(7) },
  ],
  breakers: [
    {
      key: 'dead.example:22',
      what: 'connect',
      failures: 5,
      message: 'connect ECONNREFUSED',
      state: 'open',
      forMs: 12_000,
    },
    { key: 'evil\u001b[2Jhost\u202e:22', what: 'log_in', failures: 1, message: 'no\nmore', state: 'open', forMs: 0 },
  ],
} as unknown as Look;

function counts(ok: number) {
  return { ok, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
}

const shape: FrameShape = {
  columns: 100,
  rows: undefined,
  scroll: 0,
  sort: 'requests',
  paused: false,
  trouble: undefined,
  url: 'http://127.0.0.1:7473',
  keys: true,
};

test.each([60, 100, 200])('the frame at %i columns', async (columns) => {
  const { lines } = frame(look, { ...shape, columns }, plain);
  for (const line of lines) expect(width(line)).toBeLessThanOrEqual(columns);
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`top-frame-${columns}.txt`);
});

test('nothing of a name or a message moves the cursor', () => {
  const { lines } = frame(look, { ...shape, url: 'http://a\u001b[2J', trouble: 'x\u009b2J', columns: 300 }, plain);
  const text = lines.join('');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that must not be there
  expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  expect(text).toContain('evil^[[2Jhost\\u202e:22');
});

test('a terminal that is too small shows what fits, and the rest is scrolled to', () => {
  const small = { ...shape, columns: 60, rows: 12 };
  const first = frame(look, small, plain);
  expect(first.lines).toHaveLength(12);
  expect(first.most).toBeGreaterThan(0);
  const last = frame(look, { ...small, scroll: 1_000 }, plain);
  expect(last.lines).toHaveLength(12);
  expect(last.lines.at(-1)).toContain('nightly');
  expect(frame(look, { ...small, rows: 1 }, plain).lines.length).toBeGreaterThan(0);
});

test('sorted by time, the busiest shard and the key that holds streams for longest come first', () => {
  const { lines } = frame(look, { ...shape, sort: 'time' }, plain);
  const after = (head: string) => lines[lines.findIndex((line) => line.startsWith(head)) + 1];
  expect(after('SHARD')).toMatch(/^1 /);
  expect(after('HOT KEY')).toMatch(/^slow\.example/);
});

test('without colours there is no escape sequence, with them each is closed', () => {
  expect(frame(look, shape, painter('auto', true, { NO_COLOR: '1' })).lines.join('')).not.toContain('\u001b');
  const { lines } = frame(look, { ...shape, columns: 61 }, painter('always', true, {}));
  for (const line of lines) expect(line.split('\u001b[').length % 2).toBe(1);
});

test('a service that never answered is said to be away', () => {
  const { lines } = frame(undefined, { ...shape, trouble: 'connect ECONNREFUSED' }, plain);
  expect(lines.join('\n')).toContain('no answer, asking again: connect ECONNREFUSED');
});

test('what is paused says so', () => {
  const text = frame(look, { ...shape, paused: true }, plain).lines.join('\n');
  expect(text).toContain('paused');
  expect(text).toContain('p go on');
});
