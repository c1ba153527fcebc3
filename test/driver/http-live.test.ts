import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import { deferred } from '../../src/util/deferred.js';
import { FakeExecute } from '../support/driver-context.js';
import { until } from '../support/engine.js';
import { HttpHarness, thrown } from '../support/http-harness.js';
import { portOf } from '../support/ports.js';

const http = new HttpHarness();
let server: Server;
let origin: string;
let answers: (asked: IncomingMessage, answer: ServerResponse) => void;

beforeAll(async () => {
  server = createServer((asked, answer) => answers(asked, answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${portOf(server)}`;
});
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const listening = () => new FakeExecute({ onChunk: () => undefined });
const textOf = ({ chunks }: FakeExecute) => Buffer.concat(chunks.map(({ data }) => data)).toString();
const eventsOf = ({ chunks }: FakeExecute) => chunks.map(({ data }) => JSON.parse(data.toString()));

test('a body is handed out as it comes, and is not in the response', async () => {
  let next = () => {};
  answers = (asked, answer) => {
    expect(asked.headers).not.toHaveProperty('accept-encoding');
    answer.write('one');
    next = () => answer.end('two');
  };
  const { run } = await http.open(origin);
  const context = listening();
  const running = run({}, context);
  await until(() => textOf(context) === 'one');
  next();
  expect(await running).toMatchObject({ status: 200, body: '', truncated: false });
  expect(context.chunks.map(({ channel }) => channel)).toEqual(['message', 'message']);
  expect(textOf(context)).toBe('onetwo');
});

test('a reader who is behind stops the peer', async () => {
  let written = 0;
  answers = (_asked, answer) => {
    const more = () => {
      while (written < 64 << 20) {
        written += 65_536;
        if (!answer.write(Buffer.alloc(65_536))) {
          answer.once('drain', more);
          return;
        }
      }
      answer.end();
    };
    more();
  };
  const { run } = await http.open(origin);
  const reader = deferred<void>();
  const context = new FakeExecute({ onChunk: () => reader.promise });
  const running = run({}, context);
  await until(() => context.chunks.length === 1);
  // What the kernel takes is a few MB; when it takes no more, the server has stopped.
  let seen = -1;
  await expect
    .poll(
      () => {
        const still = written === seen;
        seen = written;
        return still;
      },
      { interval: 100 },
    )
    .toBe(true);
  expect(written).toBeLessThan(48 << 20);
  expect(context.chunks).toHaveLength(1);
  reader.resolve();
  await running;
  expect(context.chunks.reduce((sum, { data }) => sum + data.length, 0)).toBe(64 << 20);
});

test('what is compressed is handed out as it was, under the same flow control', async () => {
  const text = 'keylane '.repeat(50_000);
  answers = (_asked, answer) => answer.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(text));
  const { run } = await http.open(origin);
  let waiting = 0;
  const context = new FakeExecute({
    onChunk: () => {
      expect(waiting++).toBe(0);
      return new Promise((resolve) => {
        setImmediate(() => {
          waiting--;
          resolve();
        });
      });
    },
  });
  await run({}, context);
  expect(textOf(context)).toBe(text);
});

test('each server-sent event is a chunk', async () => {
  answers = (asked, answer) => {
    expect(asked.headers.accept).toBe('text/event-stream');
    answer.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    answer.write('id: 1\nevent: add\ndata: {"a":1}\n\n: still here\n\ndata: x\r\ndata: ');
    answer.end('y\n\ndata: not whole');
  };
  const { run } = await http.open(origin);
  const context = listening();
  expect(await run({ events: true }, context)).toMatchObject({ status: 200, body: '' });
  expect(eventsOf(context)).toEqual([
    { event: 'add', data: '{"a":1}', id: '1' },
    { event: 'message', data: 'x\ny', id: '1' },
  ]);
});

test('where there are no events, what there is instead is the response’s body', async () => {
  const { run } = await http.open(origin);
  for (const [status, type] of [
    [403, 'text/event-stream'],
    [200, 'application/json'],
  ] as const) {
    answers = (_asked, answer) => answer.writeHead(status, { 'content-type': type }).end('{"why":"not"}');
    const context = listening();
    expect(await run({ events: true }, context)).toMatchObject({ status, body: '{"why":"not"}' });
    expect(context.chunks).toEqual([]);
  }
});

test('an event without an end ends the request', async () => {
  answers = (_asked, answer) => {
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    const more = () => {
      while (answer.write(`data: ${'x'.repeat(10_000)}\n`));
      answer.once('drain', more);
    };
    more();
  };
  const { run, connection } = await http.open(origin);
  expect(await thrown(run({ events: true }, listening()))).toMatchObject({
    code: 'ERR_PROTOCOL',
    message: expect.stringMatching(/127\.0\.0\.1.*an event of more than 1048576 bytes/),
  });
  expect(connection.alive).toBe(false);
});

test('a redirect that will be followed hands out nothing; one that will not be, does', async () => {
  answers = (_asked, answer) => answer.writeHead(302, { location: '/b' }).end('moved');
  const { run } = await http.open(origin);
  const followed = listening();
  expect(await run({ redirects: 1 }, followed)).toMatchObject({ status: 302, headers: { location: '/b' } });
  expect(followed.chunks).toEqual([]);
  const left = listening();
  await run({ redirects: 0 }, left);
  expect(textOf(left)).toBe('moved');
});

test('what the caller writes is the body of a request that has none; a GET does not wait for it', async () => {
  const bodies: (string | undefined)[] = [];
  answers = async (asked, answer) => {
    let body = '';
    for await (const piece of asked) body += piece;
    bodies.push(`${asked.method} ${asked.headers['transfer-encoding']} ${body}`);
    answer.end(body);
  };
  const written = async function* () {
    for (let i = 0; i < 1_000; i++) yield Buffer.from(`${i},`);
  };
  const never = async function* (): AsyncGenerator<Uint8Array> {
    await new Promise(() => {});
    yield Buffer.alloc(0);
  };
  const expected = Array.from({ length: 1_000 }, (_, i) => `${i},`).join('');
  const { run } = await http.open(origin);
  const context = new FakeExecute({ input: written(), onChunk: () => undefined });
  await run({ method: 'POST' }, context);
  expect(textOf(context)).toBe(expected);
  await run({ method: 'GET' }, new FakeExecute({ input: never(), onChunk: () => undefined }));
  await run({ method: 'POST', body: 'own' }, new FakeExecute({ input: never(), onChunk: () => undefined }));
  expect(bodies).toEqual([`POST chunked ${expected}`, 'GET undefined ', 'POST undefined own']);
});

test('one that is called off ends its connection, and gives up its peer', async () => {
  let gone = 0;
  answers = (_asked, answer) => {
    answer.write('x');
    answer.on('close', () => gone++);
  };
  const { run, connection } = await http.open(origin);
  const context = listening();
  const running = thrown(run({}, context));
  await until(() => context.chunks.length === 1);
  const reason = new KeylaneError('ERR_CANCELED');
  context.controller.abort(reason);
  expect(await running).toBe(reason);
  expect(connection.alive).toBe(false);
  await until(() => gone === 1);
});

test('one that is called off before it was written is not written, and its connection stays', async () => {
  let came = 0;
  answers = (_asked, answer) => {
    came++;
    answer.end();
  };
  const { run, connection, context: opened } = await http.open(origin);
  await run();
  const context = new FakeExecute();
  const running = thrown(run({}, context));
  await new Promise((resolve) => queueMicrotask(() => resolve(undefined)));
  context.controller.abort(new KeylaneError('ERR_CANCELED'));
  expect(await running).toMatchObject({ code: 'ERR_CANCELED' });
  expect(context.sents).toBe(0);
  expect(connection.alive).toBe(true);
  await run();
  expect(came).toBe(2);
  expect(opened.losses).toEqual([]);
});
