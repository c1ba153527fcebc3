import type { Server } from 'node:http';
import { isIPv4, type Socket } from 'node:net';
import { isLoopback } from '../../util/networks.js';
import type { HttpLimits } from './limits.js';

/** Closes what comes past the bounds, before anything of it is read. */
export function boundConnections(server: Server, limits: Required<HttpLimits>, refused: (why: string) => void): void {
  const { connections, connectionsPerAddress, connectionsFromLoopback, requestsPerConnection } = limits;
  server.maxConnections = connections;
  server.on('drop', () => refused('connections'));
  server.maxRequestsPerSocket = requestsPerConnection;
  const counts = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const from = networkOf(socket.remoteAddress);
    const count = (counts.get(from) ?? 0) + 1;
    if (count > (isLoopback(from) ? connectionsFromLoopback : connectionsPerAddress)) {
      refused('connections_per_address');
      socket.destroy();
      return;
    }
    counts.set(from, count);
    socket.once('close', () => {
      const left = (counts.get(from) ?? 1) - 1;
      if (left === 0) counts.delete(from);
      else counts.set(from, left);
    });
  });
}

/** Whom an address stands for: of IPv6 a network of 64 bits, for that is what one subscriber gets. (RFC 6177) */
export function networkOf(address = ''): string {
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  const plain = mapped ?? address;
  if (isIPv4(plain) || plain === '' || plain === '::1') return plain;
  const [head = '', tail] = plain.replace(/%.*$/, '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array<string>(8 - before.length - after.length).fill('0');
  return `${[...before, ...zeros, ...after].slice(0, 4).join(':')}::/64`;
}
