import type { SshOrder, SshTarget } from '../../../src/specs/ssh.js';
import type { SshResponse } from '../../../src/ssh-types.js';
import type { Driver } from '../../../src/types.js';
import { type Clock, systemClock } from '../../../src/util/clock.js';
import type { SshConnection } from './connection.js';
import { Connector, keyOf } from './connector.js';
import { Warden } from './openssh/warden.js';
import { run } from './orders.js';
import { noteReference } from './secret-names.js';

/** Commands on SSH hosts. A connection opens a channel for each. */
export function load(clock: Clock = systemClock): Promise<Driver<SshTarget, SshConnection, SshOrder, SshResponse>> {
  const connector = new Connector(clock);
  return Promise.resolve({
    streams: ({ streams }) => streams,
    peer: keyOf,
    open(target, context) {
      // Before anything is started for it, or for others.
      for (const reference of [target.password, target.passphrase]) noteReference(reference);
      return connector.open(target, context);
    },
    execute(connection, order, context) {
      if (order.op === 'exec') noteReference(order.sudo?.password);
      return run(connection, order, context);
    },
    ok: ({ code, signal, detached }) => detached?.running || (code === 0 && signal === null),
    reusable: (connection) => connection.state === 'open',
    check: (connection, withinMs) => connection.check(withinMs),
    // Each master of `ssh` has its warden.
    subprocesses: () => 2 * Warden.counts.running,
    spawned: () => 2 * Warden.counts.started,
    close: (connection) => connection.close(),
  });
}
