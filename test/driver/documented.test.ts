import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createEngine } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure } from '../support/engine.js';
import { freePort } from '../support/ports.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { describeDriver } from './contract.js';

interface RedisRequest {
  host: string;
  port: number;
  user?: string;
  password?: string;
  database?: number;
  command: string[];
}

declare module 'keylane' {
  interface Drivers {
    redis: { request: RedisRequest; response: { reply?: unknown; error?: string } };
  }
}

/** Inside the package, so that the example's `import 'keylane'` finds it as a user's would. */
const folder = new URL(`../../dist/example-${process.pid}/`, import.meta.url);
const module = new URL('redis.mjs', folder);
let redis: RedisServer;

beforeAll(async () => {
  const page = readFileSync(new URL('../../docs/drivers.md', import.meta.url), 'utf8');
  const code = /```js\n(\/\/ redis\.mjs\n[\s\S]*?)```/.exec(page)?.[1];
  if (code === undefined) throw new Error('docs/drivers.md has no example that starts with // redis.mjs');
  await mkdir(folder, { recursive: true });
  await writeFile(module, code);
  redis = await startRedis();
});
afterAll(async () => {
  await redis.stop();
  await rm(folder, { recursive: true });
});

const ask = (command: string[], rest: Partial<RedisRequest> = {}): RedisRequest => {
  const { port, user, password } = redis;
  return { host: '127.0.0.1', port, user, password, command, ...rest };
};

describeDriver({
  name: 'redis',
  options: { drivers: [module] },
  streams: 32,
  without: { talking: 'a command has one reply' },
  async setup() {
    const closed = await freePort(['127.0.0.1']);
    let last = 0;
    const hang = () => ask(['BLPOP', `nothing:${++last}`, '0']);
    return {
      ok: (i) => ask(['ECHO', String(i)]),
      answer: ({ reply }) => reply,
      expected: (i) => String(i),
      failing: () => ask(['NONSENSE']),
      refused: () => ask(['ECHO', '1'], { port: closed }),
      hanging: hang,
      started: () => redis.has(`"BLPOP" "nothing:${last}"`),
      losing: hang,
      lose: () => redis.cut(),
      stop: async () => {},
    };
  },
});

test('all kinds of replies of RESP 3 come as what they are', async () => {
  await using engine = await createEngine({ shards: 1, drivers: [module] });
  const reply = async (...command: string[]) => (await engine.run('redis', ask(command, { database: 3 }))).reply;
  expect(await reply('SET', 'text', 'grüße\r\n')).toBe('OK');
  expect(await reply('GET', 'text')).toBe('grüße\r\n');
  expect(await reply('GET', 'none')).toBeNull();
  expect(await reply('INCR', 'count')).toBe(1);
  expect(await reply('HSET', 'hash', 'a', '1', 'b', '2')).toBe(2);
  expect(await reply('HGETALL', 'hash')).toEqual(new Map(Object.entries({ a: '1', b: '2' })));
  expect(await reply('EVAL', 'return {1, {"two", false}, {err = "MINE no"}}', '0')).toEqual([
    1,
    ['two', null],
    'MINE no',
  ]);
  expect(await reply('ZADD', 'set', '1.5', 'one')).toBe(1);
  expect(await reply('ZSCORE', 'set', 'one')).toBe(1.5);
  expect(await reply('CONFIG', 'GET', 'none')).toEqual(new Map());
  for (const [type, value] of [
    ['true', true],
    ['bignum', 1234567999999999999999999999999999999n],
    ['attrib', 'Some real reply following the attribute'],
    ['verbatim', 'This is a verbatim\nstring'],
    ['set', [0, 1, 2]],
    [
      'map',
      new Map<unknown, unknown>([
        [0, false],
        [1, true],
        [2, false],
      ]),
    ],
  ] as const) {
    expect(await reply('DEBUG', 'PROTOCOL', type)).toEqual(value);
  }
  const long = 'x'.repeat(3_000_000);
  expect(await reply('ECHO', long)).toBe(long);
});

test('another database is another connection', async () => {
  await using engine = await createEngine({ shards: 1, drivers: [module] });
  await engine.run('redis', ask(['SET', 'here', '1'], { database: 1 }));
  expect(await engine.run('redis', ask(['GET', 'here'], { database: 2 }))).toEqual({ reply: null });
  expect(await engine.run('redis', ask(['GET', 'here'], { database: 1 }))).toEqual({ reply: '1' });
  expect(await failure(engine.run('redis', ask(['GET', 'here'], { database: 99 })))).toMatchObject({
    code: 'ERR_CONNECT',
    outcome: 'not_started',
    message: expect.stringContaining('out of range'),
  });
});

test('a wrong password is refused, and told to nobody', async () => {
  process.env.REDIS_WRONG = 'not-that-one';
  await using engine = await createEngine({ shards: 1, drivers: [module] });
  const error = await failure(engine.run('redis', ask(['PING'], { password: 'env:REDIS_WRONG' })));
  expect(error).toMatchObject({ code: 'ERR_AUTH', outcome: 'not_started' });
  expect(error.message).toContain('WRONGPASS');
  expect(error.message).not.toContain('not-that-one');
});

test('a command that changes the connection is refused before it leaves', async () => {
  await using engine = await createEngine({ shards: 1, drivers: [module] });
  expect(await failure(engine.run('redis', ask(['Select', '4'])))).toMatchObject({
    code: 'ERR_INPUT',
    message: expect.stringContaining('`command` must not be select'),
  });
});
