import { expect, test } from 'vitest';
import { notConnected } from '../../workers/drivers/ssh/open-errors.js';
import { evidenceOf } from '../../workers/evidence.js';

const KEY = 'web-1:22';

/** PROMISES P7: five of these in a row stop the tries to a host. */
test.each([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  // A host that is off: its neighbour, or the router before it, gets no answer to who has its address. (RFC 1122 3.3.6)
  'EHOSTUNREACH',
  'EHOSTDOWN',
])('%s is a failure of the host', (code) => {
  expect(evidenceOf(failedBy(code), KEY)).toBe('failed');
});

test.each([
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EACCES',
  'EPERM',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EAGAIN',
])('%s is a failure of this machine', (code) => {
  expect(evidenceOf(failedBy(code), KEY)).toBe('unclear');
});

function failedBy(code: string) {
  return notConnected(KEY, '192.0.2.1', Object.assign(new Error(`connect ${code}`), { code }));
}
