import type { SshRequest } from 'keylane';
import { fdCount } from './leaks.js';
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

/** Open file descriptors of the whole process, its shards' too, once the fixture has no session any more. */
export async function fdsWithout(sshd: Pick<Sshd, 'pid'>, atMost: number): Promise<number> {
  while (descendants(sshd.pid).length > 0) await turn();
  for (let turns = 0; turns < TURNS && fdCount() > atMost; turns++) await turn();
  return fdCount();
}

/** What libuv and the kernel need to let go of what was closed. */
const TURNS = 5_000;

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
