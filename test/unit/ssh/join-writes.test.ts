import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { joinWrites } from '../../../workers/drivers/ssh/join-writes.js';

const received: string[] = [];
const server = createServer((socket) => {
  let all = '';
  socket.on('data', (data) => {
    all += data;
  });
  socket.on('error', () => undefined);
  socket.on('end', () => received.push(all));
});
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => void server.close());

async function open(): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  joinWrites(socket);
  return socket;
}

test('the writes of one turn leave in one call, and those of the next in another', async () => {
  const socket = await open();
  const calls = vi.spyOn(socket, '_writev' as never);
  for (let turn = 0; turn < 3; turn++) {
    for (const piece of ['a', 'b', 'c']) socket.write(piece);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  }
  expect(calls).toHaveBeenCalledTimes(3);
  socket.end();
  await once(socket, 'close');
  expect(received.pop()).toBe('abcabcabc');
});

test('what was written in the turn of the end arrives', async () => {
  const socket = await open();
  socket.write('last ');
  socket.write('words');
  socket.end();
  await once(socket, 'close');
  expect(received.pop()).toBe('last words');
});

test('a socket that is destroyed in the turn of a write is left alone', async () => {
  const socket = await open();
  const uncork = vi.spyOn(socket, 'uncork');
  socket.write('x');
  socket.destroy();
  await once(socket, 'close');
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(uncork).not.toHaveBeenCalled();
  socket.on('error', () => undefined);
  socket.write('y');
});
