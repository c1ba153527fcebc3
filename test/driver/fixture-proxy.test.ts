import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeClock, settled } from '../support/fake-clock.js';
import { expectNoLeaks, type Held, held } from '../support/leaks.js';
import { portOf } from '../support/ports.js';
import { type Fault, type FaultProxy, startProxy } from '../support/proxy.js';

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

function proxyWith(fault: Fault | ((connection: number) => Fault)): Promise<FaultProxy> {
  return startProxy({ to: { host: '127.0.0.1', port: portOf(echo) }, fault });
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
