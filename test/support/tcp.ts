import { readFileSync } from 'node:fs';

/** ESTABLISHED, SYN_SENT, and CLOSE_WAIT: the peer has ended it and we have not. In all other states nobody holds it. */
const HELD: ReadonlySet<string> = new Set(['01', '02', '08']);

/** Sockets of this machine that somebody holds open to one of these local ports. (proc(5): /proc/net/tcp) */
export function socketsTo(ports: ReadonlySet<number>): number {
  const lines = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return lines.filter((line) => {
    const [, , remote = '', state = ''] = line.trim().split(/\s+/);
    return HELD.has(state) && ports.has(Number.parseInt(remote.split(':')[1] ?? '', 16));
  }).length;
}
