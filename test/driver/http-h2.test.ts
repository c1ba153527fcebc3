import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import { StreamsExceeded } from '../../src/types.js';
import { deferred } from '../../src/util/deferred.js';
import { Authority } from '../support/certificates.js';
import { FakeExecute } from '../support/driver-context.js';
import { until } from '../support/engine.js';
import { HttpHarness, thrown } from '../support/http-harness.js';
import { portOf } from '../support/ports.js';

const http = new HttpHarness();
const authority = new Authority();
const servers: (Http2SecureServer | ReturnType<typeof createHttps>)[] = [];
const sessions = new Set<ServerHttp2Session>();
/** What the next streams are answered with. */
let answers: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void;
let origin: string;
let narrow: string;
let old: string;

beforeAll(async () => {
  const { key, cert } = authority.issue('server', ['IP:127.0.0.1']);
  origin = await serve(createSecureServer({ key, cert }));
  narrow = await serve(createSecureServer({ key, cert, settings: { maxConcurrentStreams: 3 } }));
  old = await serve(createHttps({ key, cert }, (_asked, answer) => answer.end('old')));
});
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  for (const session of sessions) session.destroy();
  for (const server of servers) if ('closeAllConnections' in server) server.closeAllConnections();
  for (const server of servers) await new Promise<void>((resolve) => server.close(() => resolve()));
  authority.remove();
});

async function serve(server: (typeof servers)[number]): Promise<string> {
  servers.push(server);
  (server as Http2SecureServer).on('stream', (stream, headers) => {
    stream.on('error', () => {});
    answers(stream, headers);
  });
  (server as Http2SecureServer).on('session', (session) =>
    sessions.add(session.on('close', () => sessions.delete(session))),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `https://127.0.0.1:${portOf(server)}`;
}

const open = (to = origin) => http.open({ origin: to, ca: authority.ca.certPath, http2: true });
const say = (text: string) => {
  answers = (stream) => {
    stream.respond({ ':status': 200, 'x-a': 'b' });
    stream.end(text);
  };
};

test('where the peer offers HTTP/2 it is spoken, with many requests at once on one connection', async () => {
  const all = deferred<void>();
  let came = 0;
  answers = async (stream, { ':path': path, ':authority': host, 'user-agent': agent }) => {
    if (++came === 20) all.resolve();
    await all.promise;
    stream.respond({ ':status': 200, 'set-cookie': ['a=1', 'b=2'] });
    stream.end(`${path} ${host} ${agent}`);
  };
  const { run, connection } = await open();
  const paths = Array.from({ length: 20 }, (_, i) => `/${i}`);
  const answered = await Promise.all(paths.map((path) => run({ path })));
  expect(answered.map(({ body }) => body)).toEqual(paths.map((path) => `${path} ${origin.slice(8)} keylane`));
  expect(answered[0]).toMatchObject({ status: 200, headers: { 'set-cookie': ['a=1', 'b=2'] }, url: `${origin}/0` });
  expect(answered[0]?.headers).not.toHaveProperty(':status');
  expect(await connection.check(0)).toBe(true);
});

test('bodies go both ways', async () => {
  answers = (stream, headers) => {
    stream.respond({ ':status': 200, 'x-length': String(headers['content-length']), 'x-both': String(headers['x-y']) });
    stream.pipe(stream);
  };
  const { run } = await open();
  const body = 'grüß '.repeat(100_000);
  const answer = await run({ method: 'POST', body, headers: ['x-y', '1', 'x-y', '2'] });
  expect(answer).toMatchObject({ headers: { 'x-length': String(Buffer.byteLength(body)), 'x-both': '1, 2' } });
  expect(answer.body).toBe(body);
  const written = async function* () {
    for (let i = 0; i < 300; i++) yield Buffer.alloc(10_000, 'x');
  };
  const context = new FakeExecute({ input: written(), onChunk: () => Promise.resolve() });
  await run({ method: 'POST' }, context);
  expect(context.chunks.reduce((sum, { data }) => sum + data.length, 0)).toBe(3_000_000);
});

test('a body that is too long costs its stream, not the connection', async () => {
  answers = (stream) => {
    stream.respond({ ':status': 200 });
    const more = () => {
      while (!stream.destroyed && stream.write(Buffer.alloc(10_000, 'x')));
      stream.once('drain', more);
    };
    more();
  };
  const { run, connection } = await open();
  expect(await run({ maxBodyBytes: 100 })).toMatchObject({ body: 'x'.repeat(100), truncated: true });
  expect(connection.alive).toBe(true);
  say('next');
  expect(await run()).toMatchObject({ body: 'next' });
});

test('a request that is called off resets its stream, and the others go on', async () => {
  const reset = deferred<number>();
  answers = (stream, { ':path': path }) => {
    if (path === '/hang') stream.on('close', () => reset.resolve(stream.rstCode ?? -1));
    else stream.respond({ ':status': 200 }, { endStream: true });
  };
  const { run, connection } = await open();
  const context = new FakeExecute({ onSent: () => {} });
  const hanging = thrown(run({ path: '/hang' }, context));
  expect(await run({ path: '/ok' })).toMatchObject({ status: 200 });
  context.controller.abort(new KeylaneError('ERR_CANCELED'));
  expect(await hanging).toMatchObject({ code: 'ERR_CANCELED' });
  expect(await reset.promise).toBe(constants.NGHTTP2_CANCEL);
  expect(connection.alive).toBe(true);
});

test('a connection on which nothing came in all the time of a request takes no more; one on which something did goes on', async () => {
  const hung = deferred<void>();
  answers = (stream, { ':path': path }) => {
    if (path === '/ok') stream.respond({ ':status': 200 }, { endStream: true });
    else if (path === '/last') hung.resolve();
  };
  const { run, connection } = await open();
  const late = new KeylaneError('ERR_TIMEOUT');
  const first = new FakeExecute({ onSent: () => {} });
  const hanging = thrown(run({ path: '/hang' }, first));
  expect(await run({ path: '/ok' })).toMatchObject({ status: 200 });
  first.controller.abort(late);
  expect(await hanging).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown' });
  expect(connection.alive).toBe(true);
  const second = new FakeExecute({ onSent: () => {} });
  const silent = thrown(run({ path: '/last' }, second));
  await hung.promise;
  second.controller.abort(late);
  expect(await silent).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown' });
  expect(connection.alive).toBe(false);
});

test('no more streams are opened than the peer takes', async () => {
  const held: ServerHttp2Stream[] = [];
  answers = (stream) => held.push(stream);
  const { run } = await open(narrow);
  const running = [run(), run(), run()];
  const asked = new FakeExecute();
  const error = await thrown(run({}, asked));
  expect(error).toBeInstanceOf(StreamsExceeded);
  expect(error).toMatchObject({ streams: 3 });
  expect(asked.sents).toBe(0);
  await until(() => held.length === 3);
  for (const stream of held) stream.respond({ ':status': 204 }, { endStream: true });
  expect((await Promise.all(running)).map(({ status }) => status)).toEqual([204, 204, 204]);
});

test('where the peer has HTTP/1.1 only, that is spoken, one request at a time', async () => {
  const { run } = await open(old);
  const first = run();
  expect(await thrown(run())).toMatchObject({ streams: 1 });
  expect(await first).toMatchObject({ body: 'old' });
});

test('a peer that takes leave answers what it has begun, and is lost', async () => {
  const began = deferred<ServerHttp2Stream>();
  answers = (stream) => began.resolve(stream);
  const { run, context, connection } = await open();
  const running = run();
  const stream = await began.promise;
  stream.session?.goaway(constants.NGHTTP2_NO_ERROR);
  await until(() => !connection.alive);
  expect(context.losses).toEqual([]);
  const late = new FakeExecute();
  expect(await thrown(run({}, late))).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'not_started' });
  stream.respond({ ':status': 200 });
  stream.end('still');
  expect(await running).toMatchObject({ status: 200, body: 'still' });
  await context.nextLoss;
});

test.each([
  ['refuses a stream', constants.NGHTTP2_REFUSED_STREAM, 'not_started'],
  ['gives a stream up', constants.NGHTTP2_INTERNAL_ERROR, 'unknown'],
])('a peer that %s', async (_what, code, outcome) => {
  answers = (stream) => stream.close(code);
  const { run } = await open();
  expect(await thrown(run())).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome });
});

test('a connection that is cut ends what is on it as unknown', async () => {
  const began = deferred<ServerHttp2Stream>();
  answers = (stream) => began.resolve(stream);
  const { run, connection } = await open();
  const running = thrown(run());
  (await began.promise).session?.destroy();
  expect(await running).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
  expect(connection.alive).toBe(false);
});

test('one that dies idle is lost', async () => {
  const { context } = await open();
  for (const session of sessions) session.destroy();
  await context.nextLoss;
});

test.each([[['connection', 'x']], [['te', 'gzip']], [['x y', 'z']], [['a', 'b\r\nc: d']]])(
  '%j never leaves',
  async (headers) => {
    say('x');
    const { run } = await open();
    expect(await thrown(run({ headers }))).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started' });
    expect(await run()).toMatchObject({ status: 200 });
  },
);

test('a body that is cut is no answer, whether the connection or only the stream has ended', async () => {
  const begin = (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 });
    stream.write('a part');
  };
  const cut = (how: (stream: ServerHttp2Stream) => void) => {
    answers = (stream) => {
      begin(stream);
      // The client has the part by then.
      stream.session?.ping(() => how(stream));
    };
  };
  const isLost = {
    code: 'ERR_CONNECTION_LOST',
    message: expect.stringContaining("after 6 bytes of the answer's body"),
  };
  for (const how of [
    (stream: ServerHttp2Stream) => stream.session?.destroy(),
    // It may have done what it was asked: it had begun to answer.
    (stream: ServerHttp2Stream) => stream.session?.destroy(undefined, constants.NGHTTP2_REFUSED_STREAM),
  ]) {
    cut(how);
    const { run } = await open();
    const error = await thrown(run({ method: 'POST' }));
    expect(error).toMatchObject(isLost);
    expect(error).not.toMatchObject({ outcome: 'not_started' });
  }
});

test('a coding with the name of what every object has is one that we do not know', async () => {
  for (const coding of ['constructor', '__proto__', 'gzip, constructor']) {
    answers = (stream) => {
      stream.respond({ ':status': 200, 'content-encoding': coding });
      stream.end('as it is');
    };
    const { run } = await open();
    expect(await run()).toMatchObject({ body: 'as it is' });
  }
});
