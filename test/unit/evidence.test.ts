import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
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

test.each([
  ['ERR_SPAWN', {}, 'failed'],
  // A command that is not there will not be there at the next try.
  ['ERR_SPAWN', { retryable: false }, 'reached'],
  // Its driver made no try: the last one was not long enough ago.
  ['ERR_SPAWN', { retryAfterMs: 5_000 }, 'unclear'],
  ['ERR_TLS', {}, 'reached'],
  // Cut in the middle of it: that may pass.
  ['ERR_TLS', { retryable: true }, 'failed'],
  ['ERR_TLS', { local: true }, 'unclear'],
  ['ERR_DENIED', {}, 'unclear'],
  ['ERR_TOO_LARGE', {}, 'unclear'],
  ['ERR_AUTH', {}, 'refused'],
  ['ERR_AUTH_EXPIRED', {}, 'unclear'],
  ['ERR_TOKEN', {}, 'unclear'],
  ['ERR_DNS', {}, 'unclear'],
] as const)('%s (%j) says of its peer: %s', (code, options, evidence) => {
  expect(evidenceOf(new KeylaneError(code, 'it failed', { key: KEY, ...options }), KEY)).toBe(evidence);
});

function failedBy(code: string) {
  const cause = Object.assign(new Error(`connect ${code}`), { code });
  return new KeylaneError('ERR_CONNECT', `${KEY}: not connected`, { key: KEY, cause });
}
