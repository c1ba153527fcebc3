import { Socket } from 'node:net';
import { KeylaneError } from '../../../src/errors.js';
import { deferred } from '../../../src/util/deferred.js';
import { joinWrites } from './join-writes.js';
import { notConnected } from './open-errors.js';
import type { Opening } from './opening.js';

/**
 * A socket to the first address that takes it. Each gets an equal part of the time left, so that one which does not
 * answer leaves something to the next.
 */
export async function connectAny(addresses: readonly string[], port: number, opening: Opening): Promise<Socket> {
  let failure: unknown;
  for (const [index, address] of addresses.entries()) {
    const socket = new Socket();
    const last = index === addresses.length - 1;
    const part = last ? Number.POSITIVE_INFINITY : opening.left / (addresses.length - index);
    const connecting = connect(socket, address, port, part, opening);
    connecting.catch((error: unknown) => {
      failure = error;
    });
    try {
      await opening.step(connecting);
      joinWrites(socket);
      return socket;
    } catch (error) {
      socket.destroy();
      // Not this address but the whole open is over.
      if (error !== failure) throw error;
    }
  }
  throw failure;
}

/** The listeners stay: an `error` may come after the connect, before anybody else listens. */
async function connect(socket: Socket, address: string, port: number, ms: number, opening: Opening): Promise<void> {
  const { promise, resolve, reject } = deferred<void>();
  const { key, clock } = opening;
  socket.setNoDelay(true);
  // Beside SSH's own questions: the kernel's work where nobody asked for those.
  socket.setKeepAlive(true, 60_000);
  socket.on('error', (error) => reject(notConnected(key, address, error)));
  socket.once('connect', resolve);
  const silent = () => reject(new KeylaneError('ERR_CONNECT', `${key}: no answer from ${address}`, { key }));
  const timer = ms === Number.POSITIVE_INFINITY ? undefined : clock.timer(ms, silent);
  socket.connect({ host: address, port });
  try {
    await promise;
  } finally {
    timer?.cancel();
  }
}
