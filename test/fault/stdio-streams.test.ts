import { createEngine, type Engine } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, until, verdict } from '../support/engine.js';
import { hostile } from '../support/stdio.js';

const MIB = 1 << 20;

let engine: Engine;

beforeAll(async () => {
  engine = await createEngine({
    shards: 1,
    stdio: {
      servers: {
        a: hostile(),
        other: hostile(),
        loud: hostile([`flood:${10 * MIB}`]),
        logs: hostile(['logs']),
        endless: hostile(['endless']),
        garbage: hostile(['garbage'], { startTimeoutMs: 1_500 }),
        silent: hostile(['silent'], { startTimeoutMs: 500 }),
        deaf: hostile(['deaf'], { initialize: 'none' }),
        stubborn: hostile(['stubborn'], { idleMs: 10 }),
        small: hostile([], { maxMessageBytes: 1_024 }),
        keeper: hostile([], { env: { API_KEY: 'env:KEYLANE_TEST_API_KEY' } }),
      },
    },
  });
});
afterAll(() => engine.close());

const ask = (server: string, method: string, params: object = {}, timeoutMs = 30_000) =>
  engine.run('stdio', { server, method, params }, { timeoutMs });

test('10 MiB on stderr before each answer stop nothing (J4)', async () => {
  for (let i = 0; i < 3; i++) {
    const answers = await Promise.all([1, 2].map((n) => ask('loud', 'echo', { n })));
    expect(answers).toEqual([{ result: { n: 1 } }, { result: { n: 2 } }]);
  }
});

test('a line past the bound costs its process, and another server nothing (J2)', async () => {
  const other = ask('other', 'slow', { ms: 300 });
  const { pid } = (await ask('other', 'about')).result as { pid: number };
  const others = [ask('a', 'silence'), ask('a', 'hugeLine', { bytes: 100 * MIB })].map(failure);
  for (const error of await Promise.all(others)) {
    expect(error).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'unknown', key: 'a' });
    expect(error.message).toContain('a: it wrote a line of more than 16777216 bytes');
  }
  expect(await ask('a', 'echo', { i: 1 })).toEqual({ result: { i: 1 } });
  expect(await other).toEqual({ result: { ms: 300 } });
  expect((await ask('other', 'about')).result).toMatchObject({ pid });
});

test('an answer of 15 MiB comes whole', async () => {
  const { result } = await ask('a', 'huge', { bytes: 15 * MIB });
  expect((result as string).length).toBe(15 * MIB);
});

test('what is no message may come between messages for ever, and costs the process when only that comes', async () => {
  const { pid } = (await ask('small', 'about')).result as { pid: number };
  for (let i = 0; i < 100; i++) expect(await ask('small', 'garbage')).toEqual({ result: 'after garbage' });
  expect((await ask('small', 'about')).result).toMatchObject({ pid });
  const alone = await Promise.all(Array.from({ length: 60 }, () => failure(ask('small', 'badLength'))));
  expect(alone[0]).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'unknown' });
  expect(alone[0]?.message).toMatch(
    /^small: it wrote 1024 bytes that are no message; stdout, no message: .*Content-Length/,
  );
});

test('logs, blank lines, NUL, batches, odd ids and bytes that are no text keep no answer from its request', async () => {
  const { pid } = (await ask('a', 'about')).result as { pid: number };
  for (const method of ['wrongId', 'twice', 'batch', 'both', 'badError', 'noVersion', 'nul', 'blank', 'badUtf8'])
    expect(await ask('a', method), method).toBeTypeOf('object');
  expect(await ask('a', 'bytewise')).toEqual({ result: 'äöü€😀' });
  expect(await ask('logs', 'echo', { i: 1 })).toEqual({ result: { i: 1 } });
  expect((await ask('a', 'about')).result).toMatchObject({ pid });
});

test.each([
  ['endless', /^endless: it wrote a line of more than 16777216 bytes/],
  ['garbage', /^garbage: it has not answered `initialize` within \d+ ms .*; stdout, no message: this is not JSON$/],
  ['silent', /^silent: it has not answered `initialize` within \d+ ms/],
])('a process that is %s does not come to serve', async (server, says) => {
  const error = await failure(ask(server, 'echo'));
  expect(error).toMatchObject({ code: 'ERR_SPAWN', outcome: 'not_started', key: server });
  expect(error.message).toMatch(says);
});

test('a process that reads nothing gets what its pipe holds; what has not left has not started', async () => {
  const text = 'x'.repeat(MIB);
  const calls = Array.from({ length: 3 }, () => verdict(ask('deaf', 'echo', { text }, 1_000)));
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['ERR_TIMEOUT unknown', 'ERR_TIMEOUT not_started']));
});

test('a process that ignores the end of its input and TERM is killed', async () => {
  await ask('stubborn', 'echo');
  const running = async () => (await engine.stats()).shards[0]?.inside?.subprocesses ?? 0;
  const before = await running();
  await until(async () => (await running()) < before);
});

test('no error shows the secrets that a process was given', async () => {
  process.env.KEYLANE_TEST_API_KEY = 'hunter2-hunter2';
  try {
    expect((await ask('keeper', 'env')).result).toMatchObject({ API_KEY: 'hunter2-hunter2' });
    const { message } = await failure(ask('keeper', 'exit', { code: 1, says: ': no access with hunter2-hunter2' }));
    expect(message).toContain('no access with ***');
    expect(message).not.toContain('hunter2');
  } finally {
    delete process.env.KEYLANE_TEST_API_KEY;
  }
});
