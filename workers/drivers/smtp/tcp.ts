import { isIP, Socket } from 'node:net';
import { KeylaneError } from '../../../src/errors.js';
import type { SmtpTarget } from '../../../src/specs/smtp.js';
import type { OpenContext } from '../../../src/types.js';
import { deferred } from '../../../src/util/deferred.js';
import { notConnected } from './open-errors.js';
import type { Opening } from './opening.js';

/**
 * A socket to the first address that takes it. Each gets an equal part of the time left, so that one which does not
 * answer leaves something to the next.
 */
export async function connectTo(target: SmtpTarget, ask: OpenContext['ask'], opening: Opening): Promise<Socket> {
  opening.phase = 'look-up';
  const addresses = ofFamily(await opening.step(lookUp(target.host, ask)), target);
  opening.phase = 'connect';
  let failure: unknown;
  /** What tells most: of the host rather than of this machine, which may have no IPv6. */
  let telling: unknown;
  for (const [index, address] of addresses.entries()) {
    const socket = new Socket();
    const left = addresses.length - index;
    const part = left === 1 ? Number.POSITIVE_INFINITY : opening.left / left;
    const connecting = connect(socket, address, target, part, opening);
    connecting.catch((error: unknown) => {
      failure = error;
    });
    try {
      await opening.step(connecting);
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

async function lookUp(host: string, ask: OpenContext['ask']): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await ask('lookup', host);
  if (found.length === 0) throw new KeylaneError('ERR_DNS', `${host} has no address`);
  return found.map(({ address }) => address);
}

/** A socket that is bound to an address reaches those of its own family only. */
function ofFamily(found: readonly string[], { key, host, sourceAddress }: SmtpTarget): readonly string[] {
  if (sourceAddress === undefined) return found;
  const family = isIP(sourceAddress);
  const addresses = found.filter((address) => isIP(address) === family);
  if (addresses.length > 0) return addresses;
  const message = `${key}: ${host} has no IPv${family} address, and sourceAddress ${sourceAddress} is one`;
  throw new KeylaneError('ERR_CONNECT', message, { key, local: true });
}

/** Its `error` listener stays until somebody else listens: an error may come after the connect. */
async function connect(
  socket: Socket,
  address: string,
  { port, sourceAddress }: SmtpTarget,
  ms: number,
  opening: Opening,
): Promise<void> {
  const { promise, resolve, reject } = deferred<void>();
  const { key } = opening;
  socket.on('error', (error) => reject(notConnected(key, address, sourceAddress, error)));
  socket.once('connect', resolve);
  const silent = () => reject(new KeylaneError('ERR_CONNECT', `${key}: no answer from ${address}`, { key }));
  const timer = ms === Number.POSITIVE_INFINITY ? undefined : opening.timer(ms, silent);
  socket.connect({ host: address, port, ...(sourceAddress !== undefined && { localAddress: sourceAddress }) });
  try {
    await promise;
  } finally {
    timer?.cancel();
  }
}
