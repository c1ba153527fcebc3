import { createEngine, type Engine, type StdioRequest } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until, verdict } from '../support/engine.js';
import { hostile, messagesOf, type RpcMessage } from '../support/stdio.js';

let engine: Engine;

beforeAll(async () => {
  engine = await createEngine({
    shards: 1,
    stdio: {
      servers: {
        own: hostile(),
        few: hostile([], { processes: 2 }),
        shared: hostile([], { stateless: true, processes: 1 }),
        lsp: hostile(['content-length'], { framing: 'content-length', initialize: { rootUri: null } }),
      },
    },
  });
});
afterAll(() => engine.close());

const ask = (method: string, params: object = {}, more: Partial<StdioRequest> = {}): StdioRequest => ({
  server: 'own',
  method,
  params,
  ...more,
});

/** Everything that a stream hears; `answer` says what is written for it. */
async function hear(request: StdioRequest, answer?: (message: RpcMessage) => string | undefined) {
  const stream = engine.stream('stdio', request);
  const heard: RpcMessage[] = [];
  for await (const message of messagesOf(stream)) {
    heard.push(message);
    const written = answer?.(message);
    if (written !== undefined) await stream.write(written);
  }
  return { heard, response: await stream.response };
}

const answerOf = ({ id }: RpcMessage, result: unknown) => `${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`;

test('progress reaches the request that asked for it, with its own token, and no other', async () => {
  const wanted = ['mine', 7, 'mine'].map((progressToken, i) => ({ progressToken, times: i + 1 }));
  for (const server of ['own', 'shared']) {
    const all = await Promise.all(
      wanted.map(({ progressToken, times }) => hear(ask('progress', { times, _meta: { progressToken } }, { server }))),
    );
    expect(all.map(({ heard }) => heard.map(({ params }) => params))).toEqual(
      wanted.map(({ progressToken, times }) =>
        Array.from({ length: times }, (_, i) => ({ progressToken, progress: i + 1, total: times })),
      ),
    );
    expect(all.map(({ response }) => response)).toEqual([{ result: 1 }, { result: 2 }, { result: 3 }]);
  }
});

test('what a server asks is answered by the stream', async () => {
  const { heard, response } = await hear(
    ask('ask', { method: 'sampling/createMessage', params: { q: 1 } }),
    (message) => answerOf(message, { text: 'hello' }),
  );
  expect(heard).toMatchObject([{ method: 'sampling/createMessage', params: { q: 1 } }]);
  expect(response).toEqual({ result: { result: { text: 'hello' } } });
});

test('an error is an answer too', async () => {
  const { response } = await hear(ask('ask', { method: 'x' }), ({ id }) =>
    JSON.stringify({ jsonrpc: '2.0', id, error: { code: -1, message: 'the person said no' } }).concat('\n'),
  );
  expect(response).toEqual({ result: { error: { code: -1, message: 'the person said no' } } });
});

test('what nobody can answer is answered with -32601: to a run, of a shared process, after the end of the input', async () => {
  const nobody = { result: { error: { code: -32_601, message: expect.any(String) } } };
  expect(await engine.run('stdio', ask('ask', { method: 'x' }))).toEqual(nobody);
  const { heard, response } = await hear(ask('ask', { method: 'x' }, { server: 'shared' }));
  expect({ heard, response }).toEqual({ heard: [], response: nobody });
});

test('a stream that leaves without its answer does not keep the server waiting', async () => {
  const stream = engine.stream('stdio', ask('ask', { method: 'x' }));
  for await (const _ of stream) stream.end();
  expect(await stream.response).toMatchObject({ result: { error: { code: -32_603 } } });
});

test('a ping of the server is answered, whoever is there', async () => {
  expect(await engine.run('stdio', ask('ask', { method: 'ping' }))).toEqual({ result: { result: {} } });
});

test('notifications reach all streams of their session, and no other session and no shared process', async () => {
  const held = ['a', 'b'].map((session) => {
    const heard: string[] = [];
    const stream = engine.stream('stdio', ask('keep', { as: 'x' }, { session }));
    const done = (async () => {
      for await (const { data } of stream) heard.push(...data.toString().trim().split('\n'));
      return stream.response;
    })();
    return { heard, done };
  });
  await until(async () => (await engine.stats()).shards[0]?.inside?.requests === 2);
  expect(await hear(ask('notify', { times: 3 }, { session: 'a' }))).toMatchObject({ heard: [{}, {}, {}] });
  expect(await hear(ask('notify', { times: 3 }, { server: 'shared' }))).toMatchObject({ heard: [] });
  for (const session of ['a', 'b']) await engine.run('stdio', ask('release', { as: 'x' }, { session }));
  expect(await Promise.all(held.map(({ done }) => done))).toEqual(Array(2).fill({ result: 'kept as x' }));
  expect(held.map(({ heard }) => heard.length)).toEqual([3, 0]);
});

test('a message of 1 MB reaches a stream whole, and so does what comes faster than it is read', async () => {
  const text = 'ä'.repeat(500_000);
  const { heard: asked } = await hear(ask('ask', { method: 'x', params: { text } }), (message) => answerOf(message, 1));
  expect(asked.map(({ params }) => params?.text === text)).toEqual([true]);
  const { heard } = await hear(ask('notify', { times: 5_000 }));
  expect(heard.map(({ params }) => params?.data)).toEqual(Array.from({ length: 5_000 }, (_, i) => `${i}`));
});

test('a stream of a shared process that nobody reads keeps no other request waiting', async () => {
  const shared = { server: 'shared' };
  const stream = engine.stream('stdio', ask('progress', { times: 10_000, _meta: { progressToken: 't' } }, shared));
  expect(await stream.response).toEqual({ result: 10_000 });
  expect(await engine.run('stdio', ask('echo', { a: 1 }, shared))).toEqual({ result: { a: 1 } });
});

test('what is no answer ends the stream that wrote it, and nothing else', async () => {
  const others = engine.run('stdio', ask('slow', { ms: 200 }));
  for (const written of ['no JSON\n', '{"id":1,"method":"tools/call"}\n', '{"method":"notifications/cancelled"}\n']) {
    const stream = engine.stream('stdio', ask('silence'));
    await stream.write(written);
    expect(await verdict(stream.response)).toMatch(/^ERR_INPUT (not_started|unknown)$/);
  }
  expect(await others).toEqual({ result: { ms: 200 } });
});

test.each(['own', 'lsp'])('%s: what is called off is called off at the server, which serves on', async (server) => {
  const about = async () => (await engine.run('stdio', ask('about', {}, { server }))).result as Record<string, unknown>;
  const before = await about();
  const controller = new AbortController();
  const call = verdict(engine.run('stdio', ask('silence', {}, { server }), { signal: controller.signal }));
  await until(async () => ((await about()).requests as number) > (before.requests as number) + 2);
  controller.abort();
  expect(await call).toBe('ERR_CANCELED canceled');
  const after = await about();
  expect(after.pid).toBe(before.pid);
  const canceled = (after.canceled as object[]).slice((before.canceled as object[]).length);
  expect(canceled).toEqual([{ [server === 'lsp' ? 'id' : 'requestId']: expect.any(Number) }]);
});

test('an answer that comes too late is nobody’s', async () => {
  const call = verdict(engine.run('stdio', ask('keep', { as: 'late' }), { timeoutMs: 500 }));
  expect(await call).toBe('ERR_TIMEOUT unknown');
  expect(await engine.run('stdio', ask('release', { as: 'late' }))).toEqual({ result: null });
  expect(await engine.run('stdio', ask('echo', { i: 1 }))).toEqual({ result: { i: 1 } });
});

test('a notification is ok once it is written, and its server has it', async () => {
  const heard = hear(ask('keep', { as: 'n' }));
  await until(async () => (await engine.stats()).shards[0]?.inside?.requests === 1);
  expect(await engine.run('stdio', ask('notify', { loud: true, times: 2 }, { notify: true }))).toEqual({});
  await engine.run('stdio', ask('release', { as: 'n' }));
  // The answer to what was no request (`id: null`) is nobody's.
  expect((await heard).heard).toHaveLength(2);
});

test('one handshake a process, whatever its framing; what the server said of itself can be asked for', async () => {
  for (const server of ['own', 'shared', 'lsp']) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => engine.run('stdio', ask('echo', { i }, { server }))));
    expect((await engine.run('stdio', ask('about', {}, { server }))).result).toMatchObject({ handshakes: 1 });
  }
  for (const server of ['own', 'shared']) {
    const about = { serverInfo: { name: 'hostile' } };
    expect((await engine.run('stdio', ask('initialize', {}, { server }))).result).toMatchObject(about);
    expect(await engine.run('stdio', ask('notifications/initialized', {}, { server, notify: true }))).toEqual({});
    expect((await engine.run('stdio', ask('about', {}, { server }))).result).toMatchObject({ handshakes: 1 });
  }
});

test('sessions have processes of their own; past the bound the one that was idle for longest gives way', async () => {
  const pidOf = async (session: string) =>
    (await engine.run('stdio', ask('pid', {}, { server: 'few', session }))).result as number;
  const pids = [await pidOf('a'), await pidOf('b')];
  expect([await pidOf('a'), await pidOf('b')]).toEqual(pids);
  const third = await pidOf('c');
  expect(pids).not.toContain(third);
  expect([await pidOf('c'), await pidOf('b')]).toEqual([third, pids[1]]);
  expect(await pidOf('a')).not.toBe(pids[0]);
});

test('what is written so deep that it cannot be written again ends its own stream, and nobody else', async () => {
  const others = engine.run('stdio', ask('slow', { ms: 200 }));
  const deep = '['.repeat(200_000) + ']'.repeat(200_000);
  for (const written of [`{"method":"x","params":${deep}}\n`, `{"id":1,"result":${deep}}\n`]) {
    const heard = hear(ask('ask', { method: 'x' }), ({ id }) =>
      written.replace('"id":1', `"id":${JSON.stringify(id)}`),
    );
    expect(await verdict(heard)).toMatch(/^ERR_INPUT (not_started|unknown)$/);
  }
  expect(await others).toEqual({ result: { ms: 200 } });
});

test('a start may take as long as its server says, whatever other connections may', async () => {
  const servers = { patient: hostile([], { startTimeoutMs: 30_000 }), hasty: hostile() };
  const quick = await createEngine({ shards: 1, stdio: { servers }, limits: { connectTimeoutMs: 1 } });
  try {
    expect(await quick.run('stdio', { server: 'patient', method: 'echo', params: { a: 1 } })).toEqual({
      result: { a: 1 },
    });
    expect(await verdict(quick.run('stdio', { server: 'hasty', method: 'echo' }))).toMatch(/^ERR_\w+ not_started$/);
  } finally {
    await quick.close();
  }
});
