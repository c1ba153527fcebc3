import { expect, test } from 'vitest';
import { networkOf } from '../../../src/server/access/connections.ts';

test('an IPv4 address stands for itself, however it is written; an IPv6 address for its network of 64 bits', () => {
  for (const [address, network] of [
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::1', '::1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:ffff::', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ] as const)
    expect(networkOf(address), address).toBe(network);
  expect(networkOf(undefined)).toBe('');
});
