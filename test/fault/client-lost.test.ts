import { connect } from 'keylane/client';
import { expect, onTestFinished, test } from 'vitest';
import { failure, until, verdict } from '../support/engine.js';
import { freePort } from '../support/ports.js';
import { okAnswer, okLine, rawAnswer, startRawServer } from '../support/raw-http.js';
import { seeded } from '../support/seed.js';

/** A client for the running test. */
async function clientOf(url: string, options: object = {}) {
  const client = await connect({ url, ...options });
  onTestFinished(() => client.destroy());
  return client;
}

const echo = { key: 'a', payload: 1 };

test('where nobody listens, nothing has started', async () => {
  const client = await clientOf(`http://127.0.0.1:${await freePort(['127.0.0.1'])}`);
  const error = await failure(client.run('echo', echo));
  expect(error).toMatchObject({ code: 'ERR_CONNECT', outcome: 'not_started', retryable: true });
  expect(error.message).toContain('cannot be reached');
  expect(await client.result('echo', echo)).toMatchObject({ outcome: 'not_started', attempts: 0, shard: -1 });
});

test('a host that has no address is told so', async () => {
  const client = await clientOf('https://no-such-host.invalid');
  expect(await verdict(client.run('echo', echo))).toBe('ERR_DNS not_started');
});

test('cut before the request was there whole, nothing has started; after that it may have run', async () => {
  const random = seeded();
  // Larger than the buffers of both kernels, so that the rest of it cannot have left.
  const large = { key: 'a', payload: 'x'.repeat(24 * 1024 * 1024) };
  const cut = await startRawServer({
    piece: (socket) => {
      socket.pause();
      socket.resetAndDestroy();
    },
  });
  const client = await clientOf(cut.url);
  expect(await verdict(client.run('echo', large))).toBe('ERR_CONNECTION_LOST not_started');

  const answer = okAnswer();
  for (let i = 0; i < 20; i++) {
    const at = random.below(answer.length);
    const hard = random.below(2) === 0;
    const server = await startRawServer({
      request: (socket) => {
        const end = () => (hard ? socket.resetAndDestroy() : socket.destroy());
        if (at === 0) end();
        else socket.write(answer.slice(0, at), end);
      },
    });
    const other = await clientOf(server.url);
    expect([at, hard, await verdict(other.run('echo', echo))]).toEqual([at, hard, 'ERR_CONNECTION_LOST unknown']);
    expect(server.requests).toHaveLength(1);
  }
});

test('a kept connection that is closed under the next request is not used twice, unless that does no harm', async () => {
  // Each connection answers one request, and is reset when the next one is there.
  const behavior = () => {
    const served = new WeakSet<object>();
    return startRawServer({
      request: (socket) => {
        if (served.has(socket)) socket.resetAndDestroy();
        else socket.write(okAnswer());
        served.add(socket);
      },
    });
  };
  const server = await behavior();
  const client = await clientOf(server.url);
  await client.run('echo', echo);
  expect(await verdict(client.run('echo', echo))).toBe('ERR_CONNECTION_LOST unknown');
  expect(server.requests).toHaveLength(2);

  const again = await behavior();
  const other = await clientOf(again.url);
  await other.run('echo', echo);
  expect(await other.run('echo', echo, { idempotent: true })).toEqual({ payload: 1 });
  expect(again.requests).toHaveLength(3);
  expect(again.accepted).toBe(2);
});

test('one that does not answer on a new connection is never asked twice', async () => {
  const server = await startRawServer({ request: (socket) => socket.resetAndDestroy() });
  const client = await clientOf(server.url);
  expect(await verdict(client.run('echo', echo, { idempotent: true }))).toBe('ERR_CONNECTION_LOST unknown');
  expect(server.requests).toHaveLength(1);
});

test('connections are kept and used again, and are no more than were asked for', async () => {
  const server = await startRawServer({ request: (socket) => socket.write(okAnswer()) });
  const client = await clientOf(server.url, { connections: 3 });
  for (let i = 0; i < 5; i++) await client.run('echo', echo);
  expect(server.accepted).toBe(1);
  await Promise.all(Array.from({ length: 50 }, () => client.run('echo', echo)));
  expect(server.accepted).toBeLessThanOrEqual(3);
  expect(server.requests).toHaveLength(55);
});

test('an idle connection is closed before the service closes it', async () => {
  let closed = 0;
  const server = await startRawServer({
    connected: (socket) => void socket.once('end', () => closed++),
    request: (socket) => socket.write(rawAnswer(200, JSON.stringify(okLine()), undefined, ['keep-alive: timeout=2'])),
  });
  const client = await clientOf(server.url);
  await client.run('echo', echo);
  await client.run('echo', echo);
  expect(server.accepted).toBe(1);
  await until(() => closed === 1);
  expect(await client.run('echo', echo)).toEqual({ payload: 1 });
  expect(server.accepted).toBe(2);
});

test('a caller who calls off ends the connection, and what waits for one is not sent', async () => {
  let closed = 0;
  const server = await startRawServer({ connected: (socket) => void socket.once('close', () => closed++) });
  const client = await clientOf(server.url, { connections: 1 });
  const controller = new AbortController();
  const { signal } = controller;
  const calls = [1, 2, 3].map(() => verdict(client.run('echo', echo, { signal })));
  await until(() => server.requests.length === 1);
  controller.abort();
  expect(await Promise.all(calls)).toEqual(Array(3).fill('ERR_CANCELED canceled'));
  await until(() => closed === 1);
  expect(server.requests).toHaveLength(1);
  expect(await verdict(client.run('echo', echo, { signal }))).toBe('ERR_CANCELED canceled');
});

test('destroy cuts what is in flight, which may have run, and what waits, which has not', async () => {
  const server = await startRawServer({});
  const client = await clientOf(server.url, { connections: 1 });
  const calls = [1, 2].map(() => verdict(client.run('echo', echo)));
  await until(() => server.requests.length === 1);
  await client.destroy();
  expect(await Promise.all(calls)).toEqual(['ERR_CLOSED unknown', 'ERR_CLOSED not_started']);
  expect(await verdict(client.run('echo', echo))).toBe('ERR_CLOSED not_started');
});

test('close lets end what is in flight, and takes nothing more', async () => {
  let answer: (() => void) | undefined;
  const server = await startRawServer({ request: (socket) => (answer = () => socket.write(okAnswer())) });
  const client = await clientOf(server.url);
  const call = client.run('echo', echo);
  await until(() => answer !== undefined);
  const closed = client.close();
  expect(await verdict(client.run('echo', echo))).toBe('ERR_CLOSED not_started');
  answer?.();
  expect(await call).toEqual({ payload: 1 });
  await closed;
});

test('its time runs while it waits for a connection', async () => {
  let left: unknown;
  const server = await startRawServer({
    request: (socket, { body }, nth) => {
      left = (JSON.parse(body) as { timeoutMs: unknown }).timeoutMs;
      const begun = performance.now();
      const answer = () => (performance.now() - begun > 60 ? socket.write(okAnswer()) : setImmediate(answer));
      if (nth === 1) answer();
      else socket.write(okAnswer());
    },
  });
  const client = await clientOf(server.url, { connections: 1 });
  await Promise.all([client.run('echo', echo), client.run('echo', echo, { timeoutMs: 20_000 })]);
  expect(left).toBeTypeOf('number');
  expect(left).toBeLessThan(19_950);
});

test('a stream that loses its connection may have run; one whose request was refused has not', async () => {
  const line = `{"channel":"stdout","data":"hello"}\n`;
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n';
  const lost = await startRawServer({
    piece: (socket) =>
      socket.write(`${head}${line.length.toString(16)}\r\n${line}\r\n`, () => socket.resetAndDestroy()),
  });
  const client = await clientOf(lost.url);
  const stream = client.stream('echo', echo);
  expect(await verdict(stream.response)).toBe('ERR_CONNECTION_LOST unknown');

  const problem = JSON.stringify({ code: 'ERR_QUOTA', outcome: 'not_started', retryable: true, detail: 'enough' });
  const refusing = await startRawServer({
    piece: (socket) =>
      socket.end(rawAnswer(429, problem, 'application/problem+json', ['retry-after: 7', 'connection: close'])),
  });
  const other = await clientOf(refusing.url);
  expect(await failure(other.stream('echo', echo).response)).toMatchObject({ code: 'ERR_QUOTA', retryAfterMs: 7_000 });
});

test('of a batch that loses its connection each request that was sent may have run, and the loop hears of it', async () => {
  const lost = await startRawServer({
    piece: (socket, bytes) => void (bytes.includes('"i":9') && socket.resetAndDestroy()),
  });
  const client = await clientOf(lost.url);
  const requests = function* () {
    for (let i = 0; ; i++) yield { key: 'a', payload: { i } };
  };
  const seen: string[] = [];
  const loop = (async () => {
    for await (const { outcome, error } of client.batch('echo', requests(), { concurrency: 4 }))
      seen.push(`${outcome} ${error?.code}`);
  })();
  expect(await verdict(loop)).toBe('ERR_CONNECTION_LOST unknown');
  expect(seen.length).toBeGreaterThan(0);
  expect(new Set(seen)).toEqual(new Set(['unknown ERR_CONNECTION_LOST']));
});

test('an array of jobs whose connection is lost is handed over again under the same key; another input is not', async () => {
  const told = JSON.stringify({ id: 's-1', state: 'running' });
  const heads: string[] = [];
  const server = await startRawServer({
    piece: (socket, bytes) => {
      const head = bytes.toString();
      if (head.startsWith('POST')) heads.push(head);
      if (heads.length % 2 === 1) socket.resetAndDestroy();
      else if (head.includes('0\r\n\r\n')) socket.write(rawAnswer(201, told));
    },
  });
  const client = await clientOf(server.url);
  const jobs = [{ request: echo }];
  expect(await client.batches.submit(jobs, { driver: 'echo' })).toMatchObject({ id: 's-1' });
  const keys = heads.map((head) => /^idempotency-key: (.+)\r$/im.exec(head)?.[1]);
  expect(keys).toHaveLength(2);
  expect(keys[0]).toBe(keys[1]);
  const once = client.batches.submit(jobs.values(), { driver: 'echo' });
  expect(await verdict(once)).toMatch(/^ERR_CONNECTION_LOST/);
  expect(heads).toHaveLength(3);
});
