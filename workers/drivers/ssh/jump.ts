import type { SshTarget } from '../../../src/specs/ssh.js';
import type { DriverLease, OpenContext } from '../../../src/types.js';
import type { Opening } from '../../../src/util/opening.js';
import type { SshConnection } from './connection.js';
import { joinWrites } from './join-writes.js';
import type { Phase } from './open-errors.js';
import type { Wire } from './wire.js';

/**
 * The way to `address` through a connection to `bastion`: one of its lane, shared with all hosts behind it, opened if
 * there is none. A stream of it is held until the way is closed.
 */
export async function jump(
  bastion: SshTarget,
  address: { host: string; port: number },
  context: OpenContext,
  opening: Opening<Phase>,
): Promise<Wire> {
  opening.phase = 'jump';
  const leasing = context.lease(bastion);
  let lease: DriverLease;
  try {
    lease = await opening.step(leasing);
  } catch (error) {
    // It may be granted after all, when nobody wants it any more.
    leasing.then(
      (late) => late.release(),
      () => undefined,
    );
    throw error;
  }
  const connection = lease.connection as SshConnection;
  const tunnel = connection.tunnel(address, opening.key);
  tunnel.once('close', () => {
    if (connection.state === 'open') lease.release();
    else lease.discard(new Error('the connection to the jump host has ended'));
  });
  try {
    opening.phase = 'connect';
    await opening.step(tunnel.ready);
  } catch (error) {
    tunnel.destroy();
    throw error;
  }
  joinWrites(tunnel);
  return tunnel;
}
