import type { SshOrder, SshTarget } from '../../../src/specs/ssh.js';
import type { SshResponse } from '../../../src/ssh-types.js';
import type { Driver } from '../../../src/types.js';
import { type Clock, systemClock } from '../../../src/util/clock.js';
import type { SshConnection } from './connection.js';
import { Connector } from './connector.js';

/** Commands that one connection runs at once: sshd's default MaxSessions. */
const STREAMS = 10;

/** Commands on SSH hosts. A connection opens a channel for each. */
export function load(clock: Clock = systemClock): Promise<Driver<SshTarget, SshConnection, SshOrder, SshResponse>> {
  const connector = new Connector(clock);
  return Promise.resolve({
    streams: STREAMS,
    open: (target, context) => connector.open(target, context),
    execute: (connection, order, context) => connection.run(order, context),
    reusable: (connection) => connection.state === 'open',
    close: (connection) => connection.close(),
  });
}
