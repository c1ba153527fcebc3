import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeClock, settled } from '../support/fake-clock.js';
import { expectNoLeaks, type Held, held } from '../support/leaks.js';
import { portOf } from '../support/ports.js';
import { type Fault, type FaultProxy, type ProxyOptions, startProxy } from '../support/proxy.js';
import { Random, seeded } from '../support/seed.js';

let echo: Server;
let reached: Socket[];
let proxy: FaultProxy;
let before: Held;

beforeEach(async () => {
  before = held();
  reached = [];
  echo = createServer((socket) => {
    reached.push(socket);
    socket.on('error', () => {}).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
});

afterEach(async () => {
  await proxy.stop();
  for (const socket of reached) socket.destroy();
  await new Promise((resolve) => echo.close(resolve));
  await expectNoLeaks(before);
});

test('without a fault everything passes both ways and is recorded', async () => {
  const end = await talk({}, 'hello, there');
  expect(end).toEqual({ got: 'hello, there', by: 'end' });
  expect(proxy.connections[0]?.bytes('up').toString()).toBe('hello, there');
  expect(proxy.connections[0]?.count('down')).toBe(12);
});

test('a big answer comes through whole, under backpressure', async () => {
  const end = await talk({}, 'x'.repeat(3_000_000));
  expect(end.got.length).toBe(3_000_000);
});

test('a FIN after 5 bytes from the server: the client has exactly these, then an end', async () => {
  const end = await talk({ cut: { after: 5, direction: 'down', by: 'fin' } }, 'hello, there');
  expect(end).toEqual({ got: 'hello', by: 'end' });
});

test('a reset after 5 bytes from the server: the client has exactly these', async () => {
  // How it ends is not asserted: where data and reset arrive together, libuv tells an orderly end (partial read, POLLHUP).
  const end = await talk({ cut: { after: 5, direction: 'down', by: 'rst' } }, 'hello, there');
  expect(end.got).toBe('hello');
});

test('a reset by hand, after what came has been read, is ECONNRESET', async () => {
  proxy = await proxyWith({});
  const client = connect(proxy.port, proxy.address);
  client.write('hello');
  await once(client, 'data');
  proxy.connections[0]?.cut('rst');
  expect((await endOf(client)).by).toBe('ECONNRESET');
});

test('a reset after 5 bytes to the server: it has exactly these, and sees the reset', async () => {
  const failed = new Promise((resolve) => echo.once('connection', (socket) => socket.once('error', resolve)));
  await talk({ cut: { after: 5, direction: 'up', by: 'rst' } }, 'hello, there');
  expect(await failed).toMatchObject({ code: 'ECONNRESET' });
  expect(reached[0]?.bytesRead).toBe(5);
});

test('a black hole after 5 bytes: they arrive, then nothing does, and the connection stays', async () => {
  proxy = await proxyWith({ cut: { after: 5, direction: 'down', by: 'blackhole' } });
  const client = connect(proxy.port, proxy.address);
  const arrived = proxy.next();
  client.write('hello, there');
  const [first] = (await once(client, 'data')) as [Buffer];
  const connection = await arrived;
  await connection.wasCut;
  client.write('is anybody there?');
  // More than the sockets' buffers hold: whoever swallows reads, else this callback would never come.
  await new Promise((resolve) => client.write(Buffer.alloc(8_000_000), resolve));
  expect(first.toString()).toBe('hello');
  expect(client.readyState).toBe('open');
  expect([connection.count('up'), connection.count('down')]).toEqual([12, 5]);
  client.destroy();
});

test('a cut after 0 bytes comes at once', async () => {
  expect(await talk({ cut: { after: 0, direction: 'up', by: 'rst' } }, 'hello')).toEqual({ got: '', by: 'ECONNRESET' });
});

test('a mute connection is taken, and the server does not see it', async () => {
  proxy = await proxyWith({ accept: 'mute' });
  const client = connect(proxy.port, proxy.address);
  const arrived = proxy.next();
  await once(client, 'connect');
  await arrived;
  await new Promise((resolve) => client.write('hello', resolve));
  expect(reached).toEqual([]);
  expect(client.readyState).toBe('open');
  client.destroy();
});

test('refuse turns new connections away and leaves the old ones; accept lets them in on the same port', async () => {
  proxy = await proxyWith({});
  const old = connect(proxy.port, proxy.address);
  await once(old, 'connect');
  proxy.refuse();
  await expect(once(connect(proxy.port, proxy.address), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  old.write('still here');
  expect(String((await once(old, 'data'))[0])).toBe('still here');
  const { port } = proxy;
  await proxy.accept();
  expect(proxy.port).toBe(port);
  const again = connect(port, proxy.address);
  await once(again, 'connect');
  for (const client of [old, again]) client.destroy();
});

test('the fault can differ from one connection to the next', async () => {
  const faults: Fault[] = [{ cut: { after: 2, direction: 'down', by: 'fin' } }, {}];
  proxy = await proxyWith((connection) => faults[connection] ?? {});
  expect((await ask('first')).got).toBe('fi');
  expect((await ask('second')).got).toBe('second');
});

test('a delay holds each piece back by the clock, and keeps the order', async () => {
  const clock = new FakeClock();
  proxy = await startProxy({ to: { host: '127.0.0.1', port: portOf(echo) }, fault: { delayMs: 100 }, clock });
  const client = connect(proxy.port, proxy.address);
  client.end('later');
  while (clock.pending < 2) await settled();
  expect(proxy.connections[0]?.count('up')).toBe(0);
  clock.advance(99);
  expect(proxy.connections[0]?.count('up')).toBe(0);
  clock.advance(1);
  expect(proxy.connections[0]?.count('up')).toBe(5);
  const answer = endOf(client);
  while (clock.pending < 2) await settled();
  clock.advance(100);
  expect(await answer).toEqual({ got: 'later', by: 'end' });
});

test('slices are pieces of 1 to so many bytes, as the seed wants them, and nothing is lost', async () => {
  const seed = seeded().below(2 ** 32);
  const sliced = async () => {
    const random = new Random(seed);
    // One direction is enough: which of two is served first is not in the seed.
    await using sink = await startSink();
    proxy = await startProxy({ to: sink, fault: { sliceBytes: 7 }, random: () => random.next() });
    const client = connect(proxy.port, proxy.address);
    client.end('hello, there. '.repeat(50));
    expect((await sink.received).toString()).toBe('hello, there. '.repeat(50));
    client.destroy();
    await proxy.stop();
    return proxy.connections[0]?.pieces('up') ?? [];
  };
  const pieces = await sliced();
  expect(Math.max(...pieces)).toBe(7);
  expect(Math.min(...pieces)).toBe(1);
  expect(await sliced()).toEqual(pieces);
});

test('a bandwidth lets so many bytes through in a second', async () => {
  const clock = new FakeClock();
  proxy = await proxyWith({ bytesPerSecond: 1_000 }, { clock });
  const client = connect(proxy.port, proxy.address);
  const arrived = proxy.next();
  client.end('x'.repeat(5_000));
  const connection = await arrived;
  const passes = async (bytes: number) => {
    while (connection.count('up') < bytes) {
      await settled();
      if (connection.count('up') < bytes && clock.pending > 0) clock.advance(1);
    }
    return clock.now();
  };
  // Each piece goes, and then its time is waited out.
  expect(await passes(1_000)).toBe(990);
  expect(await passes(3_000)).toBe(2_990);
  expect(connection.count('up')).toBe(3_000);
  client.destroy();
});

test('a jitter holds pieces back by different times and keeps their order', async () => {
  const clock = new FakeClock();
  const random = [0.9, 0.1, 0.5].values();
  await using sink = await startSink();
  proxy = await startProxy({
    to: sink,
    fault: { delayMs: 100, jitterMs: 50 },
    clock,
    random: () => random.next().value ?? 0,
  });
  const client = connect(proxy.port, proxy.address);
  const arrived = proxy.next();
  client.write('first, ');
  const connection = await arrived;
  while (clock.pending < 1) await settled();
  client.end('second');
  // The end of it is held back as well.
  while (clock.pending < 3) await settled();
  const counts = [104, 105, 125, 145].map((at) => {
    clock.advance(at - clock.now());
    return connection.count('up');
  });
  expect(counts).toEqual([0, 7, 13, 13]);
  expect((await sink.received).toString()).toBe('first, second');
  client.destroy();
});

test('past a limit nothing is read: the sender feels it, and what came before has gone through', async () => {
  proxy = await proxyWith({ limit: { up: 5 } });
  const client = connect(proxy.port, proxy.address);
  client.write('hello, there');
  expect(String((await once(client, 'data'))[0])).toBe('hello');
  expect(client.write(Buffer.alloc(32_000_000))).toBe(false);
  let drained = false;
  client.once('drain', () => {
    drained = true;
  });
  // As long as a black hole takes for that much, several times over.
  for (let turn = 0; turn < 2_000; turn++) await settled();
  expect([drained, proxy.connections[0]?.count('up'), proxy.connections[0]?.count('down')]).toEqual([false, 5, 5]);
  client.destroy();
});

test('a limit of one direction leaves the other alone', async () => {
  proxy = await proxyWith({ limit: { down: 5 } });
  const client = connect(proxy.port, proxy.address);
  client.write('hello, there');
  expect(String((await once(client, 'data'))[0])).toBe('hello');
  client.write(' and more');
  while ((reached[0]?.bytesRead ?? 0) < 21) await settled();
  expect(proxy.connections[0]?.count('down')).toBe(5);
  client.destroy();
});

test('a slow close passes everything at once, and the end later', async () => {
  const clock = new FakeClock();
  proxy = await proxyWith({ closeDelayMs: 1_000 }, { clock });
  const client = connect(proxy.port, proxy.address);
  client.end('hello');
  expect(String((await once(client, 'data'))[0])).toBe('hello');
  while (clock.pending < 1) await settled();
  expect(reached[0]?.readableEnded).toBe(false);
  clock.advance(1_000);
  while (clock.pending < 1) await settled();
  expect(reached[0]?.readableEnded).toBe(true);
  clock.advance(1_000);
  expect((await endOf(client)).by).toBe('end');
});

test('after its time a connection is well again, and what was held back arrives', async () => {
  const clock = new FakeClock();
  proxy = await proxyWith({ limit: { up: 5, down: 3 }, healAfterMs: 500 }, { clock });
  const client = connect(proxy.port, proxy.address);
  const answer = endOf(client);
  client.end('hello, there');
  while (proxy.connections[0]?.count('down') !== 3) await settled();
  clock.advance(499);
  expect(proxy.connections[0]?.count('up')).toBe(5);
  clock.advance(1);
  expect(await answer).toEqual({ got: 'hello, there', by: 'end' });
  expect(clock.pending).toBe(0);
});

test('a proxy that is healed spares the connections it has, and takes new ones', async () => {
  proxy = await proxyWith({ cut: { after: 8, direction: 'up', by: 'rst' }, delayMs: 60_000 });
  const client = connect(proxy.port, proxy.address);
  const arrived = proxy.next();
  client.write('hello, there');
  await arrived;
  proxy.refuse();
  await proxy.heal();
  expect(String((await once(client, 'data'))[0])).toBe('hello, there');
  expect((await ask('again')).got).toBe('again');
  client.destroy();
});

function proxyWith(
  fault: Fault | ((connection: number) => Fault),
  options: Partial<ProxyOptions> = {},
): Promise<FaultProxy> {
  return startProxy({ to: { host: '127.0.0.1', port: portOf(echo) }, fault, ...options });
}

/** A server that keeps what the first connection sends, and says nothing. */
async function startSink() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const received = (async () => {
    const [socket] = (await once(server, 'connection')) as [Socket];
    reached.push(socket);
    return Buffer.concat(await socket.on('error', () => {}).toArray());
  })();
  const close = async () => void server.close();
  return { host: '127.0.0.1', port: portOf(server), received, [Symbol.asyncDispose]: close };
}

async function talk(fault: Fault, text: string) {
  proxy = await proxyWith(fault);
  return await ask(text);
}

function ask(text: string) {
  const client = connect(proxy.port, proxy.address);
  client.end(text);
  return endOf(client);
}

async function endOf(client: Socket): Promise<{ got: string; by: string }> {
  const got: Buffer[] = [];
  client.on('data', (data: Buffer) => got.push(data));
  const by = await new Promise<string>((resolve) => {
    client.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    client.once('end', () => resolve('end'));
  });
  return { got: Buffer.concat(got).toString(), by };
}
