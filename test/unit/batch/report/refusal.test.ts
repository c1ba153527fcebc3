import { expect, test } from 'vitest';
import { refusalOf } from '../../../../src/batch/report/refusal.ts';

test.each([
  [{ code: 3, signal: null, stdout: '' }, 'exit 3'],
  [{ code: null, signal: 'SIGTERM' }, 'killed by SIGTERM'],
  [{ code: 550, enhanced: '5.1.1', message: 'no such user', step: 'RCPT' }, '550 5.1.1 no such user'],
  [{ code: 451, message: 'later' }, '451 later'],
  [{ status: 503, headers: {} }, 'status 503'],
  [{ refused: true }, 'the peer said no'],
  ['no', 'the peer said no'],
  [null, 'the peer said no'],
])('of %j it is said: %s', (response, says) => {
  expect(refusalOf(response)).toBe(says);
});
