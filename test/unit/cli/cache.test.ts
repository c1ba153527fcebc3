import { expect, test } from 'vitest';
import { type CacheDeps, cacheRuns } from '../../../src/cli/cache.ts';
import { cacheCommand } from '../../../src/cli/cache-flags.ts';
import { UsageError } from '../../../src/cli/io.ts';
import type { EngineCache, EngineOptions, Listed } from '../../../src/index.ts';
import { FakeEngine, FakeIo, runExec } from './fake-exec.ts';

const LISTED: Listed[] = [
  { name: 'ssh:0a1b2c3d', key: 'web-1:22', tags: [], bytes: 2_048, storedAt: 1_000, staleAt: 301_000 },
  { name: 'ssh:ffffffff', key: 'web-2\u001b:22', tags: ['db'], bytes: 10, storedAt: 1_000, staleAt: 2_000 },
];

/** Runs `keylane cache` with the words as typed against a fake engine. */
async function runCache(args: readonly string[], { words, fails }: { words?: string[]; fails?: string } = {}) {
  const io = new FakeIo();
  const asked: unknown[] = [];
  let options: EngineOptions = {};
  let closed = 0;
  const cache: EngineCache = {
    invalidate: async (...patterns) => asked.push(['invalidate', ...patterns]),
    clear: async () => void asked.push('clear'),
    list: async (which) => {
      asked.push(which);
      return LISTED;
    },
    stats: async () => ({ shards: [], operations: {}, disk: { entries: 1_234, bytes: 5_000_000 } }),
  };
  const deps: CacheDeps = {
    now: () => 61_000,
    createEngine: async (given) => {
      options = given;
      if (fails !== undefined) given.onEvent?.({ type: 'cache_failed', message: fails });
      return { cache, close: async () => void closed++ };
    },
    exec: async (...given) => {
      asked.push(given);
      return 0;
    },
  };
  let status: number | undefined;
  const command = cacheCommand(async (work) => {
    status = await work(cacheRuns(io, words, deps));
  });
  for (const one of [command, ...command.commands]) one.exitOverride().configureOutput({ outputError: () => {} });
  await command.parseAsync([...args], { from: 'user' });
  return { status, out: io.out, err: io.err, asked, options, closed };
}

test('C28: cache stats tells how much is remembered, without a thread', async () => {
  const { status, out, options, closed } = await runCache(['stats', '--data-dir', '/data']);
  expect({ status, out, closed }).toEqual({ status: 0, out: '1,234 answers, 4.8 MiB\n', closed: 1 });
  expect(options).toMatchObject({ lazyShards: true, dataDir: '/data' });
  expect((await runCache(['stats', '--format', 'json'])).out).toBe('{"entries":1234,"bytes":5000000}\n');
});

test('C28: cache list tells of each answer how old it is and how long it counts, and shows no control characters', async () => {
  const { out, asked } = await runCache(['list', '--operation', 'ssh', '--limit', '5']);
  expect(out).toBe(
    'ssh:0a1b2c3d  web-1:22  2.0 KiB  60 s old, 240 s left\nssh:ffffffff  web-2^[:22  10 B  60 s old, over  db\n',
  );
  expect(asked).toEqual([{ operation: 'ssh', limit: 5 }]);
  const lines = (await runCache(['list', '--format', 'ndjson'])).out.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual(LISTED);
  expect(JSON.parse((await runCache(['list', '--format', 'json'])).out)).toEqual(LISTED);
});

test('C28: cache clear forgets what it is told, or everything', async () => {
  expect(await runCache(['clear'])).toMatchObject({ status: 0, out: 'forgot everything\n', asked: ['clear'] });
  const { out, asked } = await runCache(['clear', 'ssh:*', 'key:web-1:22']);
  expect([out, asked]).toEqual(['forgot ssh:* key:web-1:22\n', [['invalidate', 'ssh:*', 'key:web-1:22']]]);
});

test('C31: a disk that cannot be used is told, with status 3, not shown as an empty one', async () => {
  const { status, out, err } = await runCache(['stats'], { fails: 'cannot open it' });
  expect({ status, out, err }).toEqual({ status: 3, out: '', err: 'keylane cache: cannot open it\n' });
});

test('cache warm is exec that asks every host and prints nothing of it', async () => {
  const { asked } = await runCache(['warm', '-c', '5', 'web-[1-2]'], { words: ['uname'] });
  const [[hosts, words, flags, , , kind]] = asked as [[string[], string[], object, unknown, unknown, { name: string }]];
  expect([hosts, words, kind.name]).toEqual([['web-[1-2]'], ['uname'], 'cache warm']);
  expect(flags).toMatchObject({ cache: 300_000, fresh: true, concurrency: 5 });
  const longer = await runCache(['warm', '--cache', '1h', 'a'], { words: ['uname'] });
  expect((longer.asked[0] as unknown[])[2]).toMatchObject({ cache: 3_600_000 });
  await expect(runCache(['stats'], { words: ['uname'] })).rejects.toThrow(UsageError);
});

test('exec --cache remembers on disk, starts no thread before it needs one, and prints as without', async () => {
  const answer = () => new FakeEngine(({ host }) => ({ stdout: `I am ${host}\n`, stderr: 'hm\n' }));
  const engine = answer();
  const { status, out, err, engineOptions } = await runExec(['--cache', '5m', '-q', '--data-dir', '/d', 'a', 'b'], {
    engine,
  });
  expect({ status, out, err }).toEqual({ status: 0, out: 'a: I am a\nb: I am b\n', err: 'a: hm\nb: hm\n' });
  expect(engine.options).toMatchObject({ cache: { ttlMs: 300_000, persist: true, fresh: false } });
  expect(engine.options.onChunk).toBeUndefined();
  expect(engineOptions).toMatchObject({ lazyShards: true, dataDir: '/d' });
  expect(engineOptions.ssh?.maxOutputBytes).toBeUndefined();
  const fresh = answer();
  await runExec(['--cache', '1h', '--fresh', '-b', 'a'], { engine: fresh });
  expect(fresh.options.cache).toEqual({ ttlMs: 3_600_000, persist: true, fresh: true });
  const without = answer();
  const { engineOptions: usual } = await runExec(['a'], { engine: without });
  expect([without.options.cache, usual.lazyShards]).toEqual([undefined, undefined]);
});

test.each([
  [['--cache', '0', 'a'], '--cache'],
  [['--cache', '-5m', 'a'], '--cache'],
  [['--cache', 'soon', 'a'], '--cache'],
  [['--fresh', 'a'], '--fresh goes with --cache'],
  [['--cache', '5m', '--detach', 'a'], '--cache does not go with --detach'],
])('exec %j is refused', async (args, says) => {
  await expect(runExec(args)).rejects.toThrow(says);
});
