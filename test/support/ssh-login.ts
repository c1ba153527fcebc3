import type { SshRequest } from 'keylane';
import { until } from './engine.js';
import { descendants } from './process-tree.js';
import type { Sshd } from './sshd.js';

type Account = Pick<Sshd, 'port' | 'user' | 'identity' | 'knownHosts'>;

/** Fields of a request that logs in to the fixture, to which a test adds what it is about. */
export function loginTo(sshd: Account, other: Partial<SshRequest> = {}): SshRequest {
  const { port, user, identity, knownHosts } = sshd;
  return { host: '127.0.0.1', port, user, identity, knownHosts, ...other };
}

/** TCP connections that the fixture has taken so far. */
export function connectionsTo(sshd: Pick<Sshd, 'log'>): number {
  return count(sshd, 'Connection from ');
}

export function count({ log }: Pick<Sshd, 'log'>, text: string): number {
  return log().split(text).length - 1;
}

/** Resolves when the fixture has no session any more: whatever it was sent has been done, and nothing is held for it. */
export async function sessionsEnded(sshd: Pick<Sshd, 'pid'>): Promise<void> {
  await until(() => descendants(sshd.pid).length === 0);
}
