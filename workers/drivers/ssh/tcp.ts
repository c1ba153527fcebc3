import { isIP, Socket } from 'node:net';
import { KeylaneError } from '../../../src/errors.js';
import type { SshTarget } from '../../../src/specs/ssh.js';
import { deferred } from '../../../src/util/deferred.js';
import { joinWrites } from './join-writes.js';
import { notConnected } from './open-errors.js';
import type { Opening } from './opening.js';

/**
 * A socket to the first address that takes it. Each gets an equal part of the time left, so that one which does not
 * answer leaves something to the next. Where `attempts` asks for it all are tried again, a second later, as ssh does.
 */
export async function connectAny(found: readonly string[], target: Target, opening: Opening): Promise<Socket> {
  const { key } = opening;
  const { addressFamily, attempts = 1 } = target;
  const family = addressFamily && FAMILIES[addressFamily];
  const addresses = family ? found.filter((address) => isIP(address) === family) : found;
  if (addresses.length === 0)
    throw new KeylaneError('ERR_CONNECT', `${key}: no address is of AddressFamily ${addressFamily}`, {
      key,
      local: true,
    });
  const tries = addresses.length * attempts;
  let failure: unknown;
  /** What tells most: of the host rather than of this machine, which may have no IPv6. */
  let telling: unknown;
  for (let index = 0; index < tries; index++) {
    // With no time for the pause the last answer says more than the deadline would.
    if (index > 0 && index % addresses.length === 0) {
      if (opening.left <= PAUSE_MS) break;
      await pause(opening);
    }
    const socket = new Socket();
    const last = index === tries - 1;
    const part = last ? Number.POSITIVE_INFINITY : opening.left / (tries - index);
    const connecting = connect(socket, addresses[index % addresses.length]!, target, part, opening);
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
      if (!(error instanceof KeylaneError && error.local)) telling = error;
    }
  }
  throw telling ?? failure;
}

type Target = Pick<SshTarget, 'port' | 'addressFamily' | 'bindAddress' | 'attempts'>;
const FAMILIES = { inet: 4, inet6: 6 } as const;
const PAUSE_MS = 1_000;

async function pause(opening: Opening): Promise<void> {
  const { promise, resolve } = deferred<void>();
  const timer = opening.clock.timer(PAUSE_MS, resolve);
  try {
    await opening.step(promise);
  } finally {
    timer.cancel();
  }
}

/** The listeners stay: an `error` may come after the connect, before anybody else listens. */
async function connect(
  socket: Socket,
  address: string,
  { port, bindAddress }: Target,
  ms: number,
  opening: Opening,
): Promise<void> {
  const { promise, resolve, reject } = deferred<void>();
  const { key, clock } = opening;
  socket.setNoDelay(true);
  // Beside SSH's own questions: the kernel's work where nobody asked for those.
  socket.setKeepAlive(true, 60_000);
  socket.on('error', (error) => reject(notConnected(key, address, error)));
  socket.once('connect', resolve);
  const silent = () => reject(new KeylaneError('ERR_CONNECT', `${key}: no answer from ${address}`, { key }));
  const timer = ms === Number.POSITIVE_INFINITY ? undefined : clock.timer(ms, silent);
  socket.connect({ host: address, port, ...(bindAddress !== undefined && { localAddress: bindAddress }) });
  try {
    await promise;
  } finally {
    timer?.cancel();
  }
}
