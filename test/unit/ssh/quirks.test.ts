import { expect, test } from 'vitest';
import { sessionsAtOnce } from '../../../workers/drivers/ssh/quirks.js';

test('a dropbear that loses what ends beside another gets one session at a time, and nobody else does', () => {
  const one = ['dropbear_2022.82', 'dropbear_2022.83', 'dropbear_2024.84', 'dropbear_2024.85'];
  expect(one.map(sessionsAtOnce)).toEqual([1, 1, 1, 1]);
  const many = ['dropbear_2020.81', 'dropbear_2024.86', 'dropbear_2025.88', 'OpenSSH_9.2p1 Debian-2', '', undefined];
  expect(many.map(sessionsAtOnce)).toEqual(many.map(() => Number.POSITIVE_INFINITY));
});
