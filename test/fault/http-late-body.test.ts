import { type AddressInfo, connect, type Socket } from 'node:net';
import { fastify } from 'fastify';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { admin } from '../../src/server/access/principal.js';
import { LiveWriters } from '../../src/server/live-writers.js';
import type { Parts } from '../../src/server/parts.js';
import { errorHandler } from '../../src/server/problem.js';
import { streamRoutes } from '../../src/server/routes/stream.js';
import { until } from '../support/engine.js';
import { FakeClock, settled } from '../support/fake-clock.js';

/** A request whose answer is there as soon as it is asked for. */
const DONE = {
  accepted: Promise.resolve(),
  result: Promise.resolve({
    ...{ index: 0, id: '0', request: {}, key: 'a', outcome: 'ok', response: 1, attempts: 1, shard: 0, reused: false },
    ...{ cache: 'none', timing: { queuedMs: 0, openMs: 0, runMs: 0 }, history: [] },
  }),
  write: () => Promise.resolve(),
  end() {},
  cancel() {},
  async *[Symbol.asyncIterator]() {},
};

/** The route, with an engine that answers at once and a clock that stands still; and a client, with what it has read. */
async function start(): Promise<{ clock: FakeClock; socket: Socket; read: () => string }> {
  const clock = new FakeClock();
  const log = pino({ level: 'silent' });
  const live = new LiveWriters(clock, log, new AbortController().signal);
  const app = fastify();
  app.setErrorHandler(errorHandler(log));
  app.addHook('onRequest', (request, _reply, done) => {
    request.principal = admin;
    done();
  });
  const engine = { stream: () => DONE };
  const parts = { engine, clock, live, audit() {}, tracing: { settled() {} } };
  streamRoutes(app as never, parts as unknown as Parts);
  await app.listen({ port: 0, host: '127.0.0.1' });
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  onTestFinished(async () => {
    socket.destroy();
    app.server.closeAllConnections();
    await app.close();
  });
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (piece) => {
    text += piece;
  });
  socket.write(
    'POST /v1/stream HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n',
  );
  return { clock, socket, read: () => text };
}

const chunk = (line: string) => `${(line.length + 1).toString(16)}\r\n${line}\n\r\n`;

test('a client who does not say within 30 s what is to run is told so', async () => {
  const { clock, read } = await start();
  await until(() => clock.pending > 0);
  clock.advance(29_999);
  await settled();
  expect(read()).toBe('');
  clock.advance(1);
  await until(() => read().includes('ERR_TIMEOUT'));
  expect(read()).toMatch(/^HTTP\/1\.1 408 /);
});

test('a client who sends on when all is over gets the whole answer, and is cut 5 s later', async () => {
  const { clock, socket, read } = await start();
  socket.write(chunk('{"driver":"echo","request":{"key":"a"}}'));
  await until(() => read().includes('"outcome":"ok"') && read().endsWith('\r\n0\r\n\r\n'));
  let isCut = false;
  socket.on('close', () => {
    isCut = true;
  });
  for (let more = 0; more < 100; more++) socket.write(chunk('{"data":"more"}'));
  await until(() => socket.writableLength === 0 && clock.pending > 0);
  clock.advance(4_999);
  await settled();
  expect(isCut).toBe(false);
  clock.advance(1);
  await until(() => isCut);
});

test('a client who ends its body when all is over keeps its connection', async () => {
  const { clock, socket, read } = await start();
  socket.write(chunk('{"driver":"echo","request":{"key":"a"}}'));
  await until(() => read().endsWith('\r\n0\r\n\r\n') && clock.pending > 0);
  socket.write('0\r\n\r\n');
  await until(() => clock.pending === 0);
  clock.advance(60_000);
  socket.write('POST /nothing HTTP/1.1\r\nhost: a\r\n\r\n');
  await until(() => read().includes('HTTP/1.1 404 '));
});
