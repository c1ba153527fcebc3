import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import { startDeaf } from '../support/deaf.js';
import { FakeExecute, FakeOpen } from '../support/driver-context.js';
import { until } from '../support/engine.js';
import { HttpHarness, startRawOrigin, thrown } from '../support/http-harness.js';
import { freePort, portOf } from '../support/ports.js';

const http = new HttpHarness();
let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer((_asked, answer) => answer.end('x'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = portOf(server);
});
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const addresses = (...found: string[]) => ({ lookup: () => found.map((address) => ({ address, family: 4 })) });

test('a name is looked up by the main thread, and every address gets its turn', async () => {
  const { run, context } = await http.open(`http://web.example:${port}`, addresses('127.0.0.9', '127.0.0.1'));
  expect(context.asked).toEqual([{ question: 'lookup', about: 'web.example' }]);
  expect(await run()).toMatchObject({ status: 200, url: `http://web.example:${port}/` });
});

test('an address that does not answer is told by the time that was waited for it', async () => {
  await using _deaf = await startDeaf('127.0.0.2', port);
  const error = await thrown(http.open(`http://web.example:${port}`, addresses('127.0.0.2'), 300));
  expect(error).toMatchObject({ code: 'ERR_CONNECT', message: expect.stringMatching(/no connection within/) });
});

test('where nothing listens, it says so', async () => {
  const closed = await freePort(['127.0.0.1']);
  const origin = `http://127.0.0.1:${closed}`;
  const error = await thrown(http.open(origin));
  expect(error).toMatchObject({ code: 'ERR_CONNECT', outcome: 'not_started', retryable: true, key: origin });
  expect(error.message).toBe(`${origin}: the connection was refused: nothing listens there (127.0.0.1)`);
});

test('what the look-up says is what is said', async () => {
  const lookup = () => {
    throw new KeylaneError('ERR_DNS', 'nobody.example: no such name');
  };
  expect(await thrown(http.open('http://nobody.example', { lookup }))).toMatchObject({ code: 'ERR_DNS' });
  const never = { lookup: () => new Promise<never>(() => {}) };
  expect(await thrown(http.open('http://slow.example', never, 100))).toMatchObject({
    code: 'ERR_DNS',
    message: expect.stringMatching(/^http:\/\/slow\.example: the name was not looked up within \d+ ms$/),
  });
});

test('an open that is called off lets go of its socket', async () => {
  const silent = await startRawOrigin(() => {});
  const { open } = await http.driver;
  const context = new FakeOpen();
  try {
    const opening = thrown(open({ origin: `https://127.0.0.1:${silent.port}` }, context));
    await until(() => silent.sockets.size === 1);
    const reason = new KeylaneError('ERR_CLOSED');
    context.controller.abort(reason);
    expect(await opening).toBe(reason);
    await until(() => silent.sockets.size === 0);
  } finally {
    await silent.stop();
  }
});

test.each<{ host: string; found?: string[]; deny: 'private' | string[]; allow?: string[]; denied: boolean }>([
  { host: '127.0.0.1', deny: 'private', denied: true },
  { host: '127.0.0.1', deny: 'private', allow: ['127.0.0.0/8'], denied: false },
  { host: '127.0.0.1', deny: ['10.0.0.0/8'], denied: false },
  { host: '127.0.0.1', deny: ['127.0.0.1/32'], denied: true },
  { host: 'inner.example', found: ['127.0.0.1'], deny: 'private', denied: true },
  { host: 'inner.example', found: ['127.0.0.9', '127.0.0.1'], deny: ['127.0.0.9/32'], denied: false },
  { host: '[::ffff:7f00:1]', deny: ['127.0.0.0/8'], denied: true },
])('$host ($found) with deny: $deny, allow: $allow', async ({ host, found = [], deny, allow, denied }) => {
  let came = 0;
  const count = () => came++;
  server.on('connection', count);
  try {
    const target = { origin: `http://${host}:${port}`, deny, ...(allow && { allow }) };
    const opening = http.open(target, addresses(...found));
    if (!denied) {
      expect(await (await opening).run()).toMatchObject({ status: 200 });
      return;
    }
    const error = await thrown(opening);
    expect(error).toMatchObject({ code: 'ERR_DENIED', outcome: 'not_started', retryable: false });
    expect(error.message).toMatch(/may not be connected to; .*`http\.allow`/);
    expect(came).toBe(0);
  } finally {
    server.off('connection', count);
  }
});

test('a connection that its peer ends while nothing is asked is lost', async () => {
  const peer = await startRawOrigin((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx'));
  try {
    for (const before of [0, 1]) {
      const { run, context, connection } = await http.open(peer.origin);
      if (before > 0) await run();
      await until(() => peer.sockets.size === 1);
      for (const socket of peer.sockets) socket.end();
      expect(await context.nextLoss).toMatchObject({ code: 'ERR_CONNECTION_LOST' });
      expect(connection.alive).toBe(false);
      await until(() => peer.sockets.size === 0);
    }
  } finally {
    await peer.stop();
  }
});

test('one who speaks without being asked is lost, and what he said answers nobody', async () => {
  const peer = await startRawOrigin(() => {});
  try {
    const { execute, context } = await http.open(peer.origin);
    await until(() => peer.sockets.size === 1);
    for (const socket of peer.sockets) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil');
    await context.nextLoss;
    const asked = new FakeExecute();
    expect(await thrown(execute({}, asked))).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'not_started' });
    expect(asked.sents).toBe(0);
  } finally {
    await peer.stop();
  }
});

test('a peer that says how long it waits is not asked when that is nearly over', async () => {
  const peer = await startRawOrigin((socket) =>
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\nkeep-alive: timeout=1\r\n\r\nx'),
  );
  try {
    const { run, connection } = await http.open(peer.origin);
    expect(await run()).toMatchObject({ status: 200 });
    // Two seconds before, and here that is at once.
    expect(connection.alive).toBe(false);
  } finally {
    await peer.stop();
  }
});

test('a request that meets its peer’s end on the way is not written where that is known, and unknown where it is not', async () => {
  const peer = await startRawOrigin((socket, _head, count) => {
    if (count === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx');
    else socket.destroy();
  });
  try {
    const { run, execute } = await http.open(peer.origin);
    await run();
    const asked = new FakeExecute();
    expect(await thrown(execute({}, asked))).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
    expect(asked.sents).toBe(1);
    const second = await http.open(peer.origin);
    await second.run();
    // Its end is here, but nobody has looked yet.
    for (const socket of peer.sockets) socket.end();
    await until(() => peer.sockets.size === 0 || [...peer.sockets].every(({ writableFinished }) => writableFinished));
    const late = new FakeExecute();
    expect(await thrown(second.execute({}, late))).toMatchObject({
      code: 'ERR_CONNECTION_LOST',
      outcome: 'not_started',
    });
    expect(late.sents).toBe(0);
  } finally {
    await peer.stop();
  }
});
