import { expect, test } from 'vitest';
import { type CallDeps, call } from '../../../src/cli/call.ts';
import { callCommand } from '../../../src/cli/call-flags.ts';
import { UsageError } from '../../../src/cli/io.ts';
import { program } from '../../../src/cli/program.ts';
import { KeylaneError, type Result, type StdioResponse } from '../../../src/index.ts';
import { FakeIo } from './fake-exec.ts';

type Answer = StdioResponse | KeylaneError;

/** Runs `keylane call` with the words as typed against a fake engine. */
async function runCall(
  args: readonly string[],
  answer: Answer = { result: 'fine' },
  stdin?: string,
  said: string[] = [],
) {
  const io = new FakeIo();
  if (stdin !== undefined) io.stdin.end(stdin);
  const asked: unknown[] = [];
  let closed = 0;
  const resultOf = (request: unknown) => {
    const isError = answer instanceof KeylaneError;
    const outcome = isError ? answer.outcome : answer.error ? 'failed' : 'ok';
    const timing = { queuedMs: 0, openMs: 1, runMs: 2 };
    return {
      ...{
        index: 0,
        id: '0',
        request,
        key: 'memory',
        outcome,
        attempts: isError && answer.code === 'ERR_INPUT' ? 0 : 1,
      },
      ...{ shard: 0, reused: false, cache: 'none', timing, history: [] },
      ...(isError ? { error: answer } : { response: answer }),
    } as unknown as Result;
  };
  const engine = {
    async result(...given: unknown[]) {
      asked.push(given);
      return resultOf(given[1]);
    },
    stream(...given: unknown[]) {
      asked.push(given);
      return {
        end: () => asked.push('end'),
        result: Promise.resolve(resultOf(given[1])),
        async *[Symbol.asyncIterator]() {
          for (const text of said) yield { channel: 'message', data: Buffer.from(text) };
        },
      };
    },
    close: async () => void closed++,
  };
  const deps = { createEngine: async () => engine } as unknown as CallDeps;
  let status = -1;
  const command = callCommand(async (words, flags) => {
    status = await call(words, flags, io, deps);
  }).exitOverride();
  await command.parseAsync([...args], { from: 'user' });
  return { status, out: io.out, err: io.err, asked, closed };
}

test('a call sends one request and prints its result', async () => {
  const { asked, ...ran } = await runCall(['memory', 'tools/call', '{"name":"x"}', '--session', 's'], {
    result: { content: [1] },
  });
  expect(ran).toEqual({ status: 0, out: '{\n  "content": [\n    1\n  ]\n}\n', err: '', closed: 1 });
  const request = { server: 'memory', method: 'tools/call', session: 's', params: { name: 'x' } };
  expect(asked).toMatchObject([['stdio', request, { signal: expect.any(AbortSignal) }]]);
});

test('parameters may come on standard input', async () => {
  const { asked } = await runCall(['memory', 'm', '-', '--notify'], {}, '[1, 2]');
  expect(asked).toMatchObject([['stdio', { params: [1, 2], notify: true }, {}]]);
});

test("a server's error is status 1, an error before it 2 or 3, and each says why", async () => {
  const no = await runCall(['memory', 'm'], {
    error: { code: -32601, message: 'no \u001b]0;such\u0007', data: { a: 1 } },
  });
  expect(no).toMatchObject({ status: 1, out: '' });
  expect(no.err).toBe('keylane call: the server says: no ^[]0;such^G (-32601)\n{\n  "a": 1\n}\n');
  const bad = await runCall(['memry', 'm'], new KeylaneError('ERR_INPUT', 'stdio.server: did you mean `memory`?'));
  expect(bad).toMatchObject({ status: 2, err: 'keylane call: ERR_INPUT: stdio.server: did you mean `memory`?\n' });
  const lost = await runCall(['memory', 'm'], new KeylaneError('ERR_CONNECTION_LOST', 'it ended with status 3'));
  expect(lost).toMatchObject({ status: 3, err: 'keylane call: ERR_CONNECTION_LOST: it ended with status 3\n' });
});

test('what comes while it runs goes to stderr, or is lines before the result', async () => {
  const said = ['{"method":"notifications/', 'progress"}\n', '{"method":"x\u202e"}\n'];
  const text = await runCall(['--follow', 'memory', 'm'], { result: 1 }, undefined, said);
  expect(text).toMatchObject({ status: 0, out: '1\n' });
  expect(text.err).toBe('{"method":"notifications/progress"}\n{"method":"x\\u202e"}\n');
  expect(text.asked).toContain('end');
  const lines = await runCall(['--follow', '--format', 'ndjson', 'memory', 'm'], { result: 1 }, undefined, said);
  const read = lines.out
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as object);
  expect(read).toMatchObject([
    { message: { method: 'notifications/progress' } },
    { message: { method: 'x\u202e' } },
    { outcome: 'ok', response: { result: 1 } },
  ]);
});

test('no result can steer a terminal, and programs read it as it was', async () => {
  const { out } = await runCall(['memory', 'm'], { result: 'a\u009b31m\u202e\u001b[2J' });
  expect(out).toMatch(/^[\x20-\x7e\n]*$/);
  expect(JSON.parse(out)).toBe('a\u009b31m\u202e\u001b[2J');
});

test('an older answer does where it is allowed to', async () => {
  const { asked } = await runCall(['--cache', '5m', '--timeout', '2s', 'memory', 'tools/list']);
  expect(asked).toMatchObject([['stdio', {}, { cache: { ttlMs: 300_000, persist: true }, timeoutMs: 2_000 }]]);
  await expect(runCall(['--cache', '5m', '--follow', 'memory', 'tools/list'])).rejects.toThrow(UsageError);
});

test.each([
  [['call'], "missing required argument 'server'"],
  [['call', 'memory'], "missing required argument 'method'"],
  [['call', 'memory', 'm', '{a:1}'], 'the parameters: no JSON'],
  [['call', 'memory', 'm', '{}', '--format', 'xml'], '--format "xml"'],
  [['call', 'memory', 'm', '--', 'x'], 'call takes no --'],
  [['call', 'memory', 'm', '{}', 'more'], 'too many arguments'],
])('%j is refused with status 2 and why', async (args, why) => {
  const io = new FakeIo();
  expect(await program(args, io)).toBe(2);
  expect(io.err).toContain(why);
  expect(io.err).toContain('See keylane call --help.');
});
