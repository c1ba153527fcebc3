import { expect, test } from 'vitest';
import { notMastered } from '../../../workers/drivers/ssh/openssh/failures.js';
import { evidenceOf } from '../../../workers/evidence.js';

const KEY = 'web-1:22';

test.each([
  'ssh: connect to host web-1 port 22: Network is unreachable',
  'ssh: connect to host web-1 port 22: Permission denied',
  'ssh: connect to host web-1 port 22: Operation not permitted',
  'ssh: connect to host web-1 port 22: Cannot assign requested address',
  'bind 192.0.2.1: Cannot assign requested address',
  'socket: Too many open files',
  'fork: Resource temporarily unavailable',
])('what ssh says of this machine is not held against the host: %s', (said) => {
  const error = notMastered(KEY, `debug1: x\n${said}\r\n`);
  expect([error.code, error.local, evidenceOf(error, KEY)]).toEqual(['ERR_CONNECT', true, 'unclear']);
});

test.each([
  'ssh: connect to host web-1 port 22: Connection refused',
  'ssh: connect to host web-1 port 22: No route to host',
  'ssh: connect to host web-1 port 22: Connection timed out',
  'kex_exchange_identification: Connection closed by remote host',
  'Connection closed by 192.0.2.1 port 22',
  // What a server has to say, of itself or of anything.
  'Welcome. Network is unreachable for guests, too many open files.',
  '',
])('what it says of the host is: %s', (said) => {
  const error = notMastered(KEY, said);
  expect([error.code, error.local, evidenceOf(error, KEY)]).toEqual(['ERR_CONNECT', undefined, 'failed']);
});

test('a refused log-in is none of either', () => {
  const error = notMastered(KEY, 'me@web-1: Permission denied (publickey,password).');
  expect([error.code, evidenceOf(error, KEY)]).toEqual(['ERR_AUTH', 'refused']);
});
