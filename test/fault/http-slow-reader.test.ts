import { createHash } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { fastify } from 'fastify';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { LiveWriter } from '../../src/server/live-writer.js';
import { LiveWriters } from '../../src/server/live-writers.js';
import { FLOOD, PUPPET } from '../support/drivers/own.js';
import { until } from '../support/engine.js';
import { FakeClock } from '../support/fake-clock.js';
import { HttpStream } from '../support/http-stream.js';
import { expectNoLeaks, held } from '../support/leaks.js';
import { TestService } from '../support/service.js';

const MIB = 1024 * 1024;
const READERS = 100;

let at: TestService;
beforeAll(async () => {
  at = await TestService.start({ engine: { drivers: [PUPPET, FLOOD] } });
  // What the first request of all needs is not of a test.
  await HttpStream.oneWay(at.service, { driver: 'flood', request: { key: 'a', bytes: 1 } }).rest();
});
afterAll(() => at?.stop());

const inFlight = async () => (await at.service.engine.stats()).inFlight;
/** Time for whoever is not stopped: 64 MiB take less. */
const aWhile = () => at.service.engine.run('echo', { key: 'clock', delayMs: 400 });

/** A server of live answers that tells nothing by itself, and its readers. */
async function liveServer() {
  const clock = new FakeClock();
  const stop = new AbortController();
  const logged: { bytes: number }[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => logged.push(JSON.parse(line)) });
  const live = new LiveWriters(clock, log, stop.signal);
  const writers: LiveWriter[] = [];
  const app = fastify();
  app.get('/events', (_request, reply) => {
    writers.push(live.events(reply));
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  onTestFinished(async () => {
    app.server.closeAllConnections();
    await app.close();
  });
  const { port } = app.server.address() as AddressInfo;
  const reader = (): Socket => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET /events HTTP/1.1\r\nhost: a\r\n\r\n');
    onTestFinished(() => {
      socket.destroy();
    });
    return socket;
  };
  return { clock, live, logged, writers, reader, signal: stop.signal };
}

test('a hundred readers who have stopped have at most 1 MiB here each, then they are dropped and counted (H6)', async () => {
  const { clock, live, logged, writers, reader, signal } = await liveServer();
  const listeners = getEventListeners(signal, 'abort').length;
  const good = reader();
  let heard = 0;
  good.on('data', (piece) => {
    heard += piece.length;
  });
  await until(() => writers.length === 1);
  for (let i = 0; i < READERS; i++) reader().pause();
  await until(() => writers.length === READERS + 1);
  const [reading, ...stopped] = writers as [LiveWriter, ...LiveWriter[]];
  const data = 'x'.repeat(65_000);
  let told = 0;
  let most = 0;
  while (stopped.some((writer) => writer.event('tick', data))) {
    most = Math.max(most, ...stopped.map(({ bufferedBytes }) => bufferedBytes));
    expect(reading.event('tick', data)).toBe(true);
    told++;
    await until(() => reading.bufferedBytes === 0);
  }
  expect(most).toBeLessThanOrEqual(MIB);
  expect(most).toBeGreaterThan(MIB / 2);
  await until(() => live.counts.open === 1);
  expect(live.counts).toEqual({ open: 1, opened: READERS + 1, dropped: READERS });
  expect(logged).toHaveLength(READERS);
  // Whoever reads has lost nothing by the others.
  await until(() => heard > told * data.length);
  good.destroy();
  await until(() => live.counts.open === 0);
  expect(getEventListeners(signal, 'abort')).toHaveLength(listeners);
  expect(clock.pending).toBe(0);
});

test('who hears nothing else hears a heartbeat within 15 s', async () => {
  const { clock, live, writers, reader } = await liveServer();
  const texts = ['', '', ''];
  for (const at of texts.keys()) {
    reader().on('data', (piece) => {
      texts[at] = `${texts[at]}${piece}`;
    });
  }
  await until(() => writers.length === 3);
  for (let beats = 1; beats <= 3; beats++) {
    clock.advance(15_000);
    await until(() => texts.every((text) => text.split(':\n\n').length === beats + 1));
  }
  expect(live.counts).toEqual({ open: 3, opened: 3, dropped: 0 });
});

test.each([
  ['application/x-ndjson', 64],
  ['text/event-stream', 16],
])(
  'a reader who has stopped stops the peer, not our memory, and gets all when he goes on: %s, %i MiB',
  async (accept, mib) => {
    const bytes = mib * MIB;
    const before = process.memoryUsage().rss;
    const stream = HttpStream.oneWay(at.service, { driver: 'flood', request: { key: 'a', bytes } }, { accept });
    const answer = await stream.head;
    await aWhile();
    await aWhile();
    expect(await inFlight()).toBe(1);
    expect(process.memoryUsage().rss - before).toBeLessThan(48 * MIB);
    const hash = createHash('sha256');
    let count = 0;
    let last = '';
    const take = (text: string) => {
      const line = text.startsWith('data: ') ? text.slice(6) : text;
      if (!line.startsWith('{')) return;
      last = line;
      const { data, base64 } = JSON.parse(line);
      const piece = base64 === undefined ? Buffer.from(data ?? '') : Buffer.from(base64, 'base64');
      hash.update(piece);
      count += piece.length;
    };
    let rest = '';
    for await (const piece of answer.setEncoding('utf8')) {
      const lines = `${rest}${piece}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) take(line);
    }
    expect(count).toBe(bytes);
    expect(JSON.parse(last)).toMatchObject({ outcome: 'ok', response: { bytes, sha256: hash.digest('hex') } });
  },
);

test('a peer that takes nothing stops the upload; when the client then goes, the request is called off', async () => {
  const stream = HttpStream.twoWay(at.service, { driver: 'puppet', request: { key: 'b', run: 'hang' } });
  await stream.head;
  const line = JSON.stringify({ data: 'x'.repeat(60_000) });
  let sent = 0;
  const sending = (async () => {
    for (; sent < 1_000 && !stream.request.destroyed; sent++) await stream.send(line);
  })();
  await aWhile();
  const then = sent;
  await aWhile();
  expect(sent).toBe(then);
  // Of 60 MB: what the sockets hold, and 1 MiB.
  expect(sent).toBeLessThan(400);
  expect(await inFlight()).toBe(1);
  const left = performance.now();
  stream.destroy();
  await sending;
  // Nothing is read from the client now, so that it is gone shows only when something is written.
  await until(async () => (await inFlight()) === 0);
  expect(performance.now() - left).toBeLessThan(5_000);
});

test('clients that go leave nothing behind: no request, no listener, no descriptor', async () => {
  await at.service.engine.run('puppet', { key: 'c', streams: 100 });
  const before = held();
  const listeners = process.eventNames().map((name) => [name, process.listenerCount(name)]);
  const streams = Array.from({ length: 50 }, (_, i) => {
    const hang = { driver: 'puppet', request: { key: 'c', streams: 100, run: 'hang' } };
    const accept = i % 2 ? 'text/event-stream' : 'application/x-ndjson';
    return i % 3 ? HttpStream.oneWay(at.service, hang, { accept }) : HttpStream.twoWay(at.service, hang, { accept });
  });
  for (const stream of streams) await stream.head;
  await until(async () => (await inFlight()) === 50);
  const left = performance.now();
  for (const stream of streams) stream.destroy();
  await until(async () => (await inFlight()) === 0);
  expect(performance.now() - left).toBeLessThan(5_000);
  await expectNoLeaks(before);
  expect(process.eventNames().map((name) => [name, process.listenerCount(name)])).toEqual(listeners);
});
