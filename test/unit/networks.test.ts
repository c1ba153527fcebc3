import { BlockList, isIPv4 } from 'node:net';
import { expect, test } from 'vitest';
import { deniedBy, isLoopback, isLoopbackHost, networkProblem } from '../../src/util/networks.js';
import { seeded } from '../support/seed.ts';

const isPrivate = (address: string) => deniedBy(address, { deny: 'private' }) !== undefined;

test('private is all that is not globally reachable, in either family', () => {
  const reachable = [
    ...['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255'],
    ...['128.0.0.0', '169.253.0.1', '172.15.255.255', '172.32.0.0', '192.0.0.9', '192.0.1.0', '192.31.196.1'],
    ...['198.17.255.255', '198.20.0.0', '223.255.255.255'],
    ...['2606:4700::1111', '2001:200::1', '2001:4860:4860::8888', '2620:4f:8000::1', '2001:20::1', '2a00::1'],
  ];
  const unreachable = [
    ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.127.255.255', '127.0.0.1', '127.9.9.9'],
    ...['169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.8', '192.0.2.1', '192.88.99.1', '192.168.1.1'],
    ...['198.18.0.1', '198.19.255.255', '198.51.100.7', '203.0.113.9', '224.0.0.1', '239.1.1.1', '240.0.0.1'],
    ...['255.255.255.255', '::', '::1', 'fc00::1', 'fd12::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1'],
    ...['100::1', '2001:db8::1', '2001:2::1', '3fff::1', '4000::1', '5f00::1', 'fd00:ec2::254', '64:ff9b:1::808:808'],
  ];
  expect(reachable.filter(isPrivate)).toEqual([]);
  expect(unreachable.filter((address) => !isPrivate(address))).toEqual([]);
});

test('an IPv6 address that stands for an IPv4 address is that one too', () => {
  const forms = (hex: string, dotted: string) => [
    `::ffff:${dotted}`,
    `::ffff:${hex}`,
    `0:0:0:0:0:ffff:${hex}`,
    `::${dotted}`,
    `::ffff:0:${dotted}`,
    `64:ff9b::${dotted}`,
    `2002:${hex}::1`,
    `2001:470::200:5efe:${dotted}`,
    `2a00::5efe:${hex}`,
  ];
  expect(forms('7f00:1', '127.0.0.1').filter((address) => !isPrivate(address))).toEqual([]);
  expect(forms('a9fe:a9fe', '169.254.169.254').filter((address) => !isPrivate(address))).toEqual([]);
  // To a translator of IPv4 the same names are as public as what they stand for.
  expect(['::ffff:8.8.8.8', '64:ff9b::8.8.8.8', '2002:808:808::1'].filter(isPrivate)).toEqual([]);
  // Of Teredo, the client's address is inverted.
  const ten = { deny: ['10.0.0.0/8'] };
  expect(deniedBy('2001:0:808:808::f5ff:fffe', ten)).toBe('10.0.0.0/8');
  expect(deniedBy('2001:0:a00:1::f7f7:f7f7', ten)).toBe('10.0.0.0/8');
  expect(deniedBy('2001:0:808:808::f7f7:f7f7', ten)).toBeUndefined();
});

test('what is no address is denied', () => {
  for (const text of [
    '',
    'localhost',
    '127.1',
    '0x7f000001',
    '2130706433',
    '127.0.0.1.',
    '[::1]',
    '::1/128',
    ' 8.8.8.8',
  ])
    expect(deniedBy(text, { deny: [] })).toBe('it is no address');
});

test('what is allowed may be connected to all the same, but no other form of a denied address', () => {
  const policy = { deny: 'private', allow: ['10.1.0.0/16', 'fd00::/8'] } as const;
  expect(deniedBy('10.1.2.3', policy)).toBeUndefined();
  expect(deniedBy('::ffff:10.1.2.3', policy)).toBeUndefined();
  expect(deniedBy('fd00::1', policy)).toBeUndefined();
  expect(deniedBy('10.2.0.1', policy)).toBe('10.0.0.0/8 (private)');
  // The tunnel is not what was allowed to lead to 10.1.2.3.
  expect(deniedBy('fd00::5efe:7f00:1', policy)).toBe('127.0.0.0/8 (private)');
});

test('a list may hold private, and networks beside it', () => {
  const policy = { deny: ['private', '8.8.8.0/24'] };
  expect(deniedBy('8.8.8.8', policy)).toBe('8.8.8.0/24');
  expect(deniedBy('127.0.0.1', policy)).toBe('127.0.0.0/8 (private)');
  expect(deniedBy('8.8.9.1', policy)).toBeUndefined();
});

test('a network is refused with what it should be', () => {
  for (const fine of ['10.0.0.0/8', '0.0.0.0/0', '::/0', 'fd00::/8', '1.2.3.4', '::1', '::ffff:10.0.0.0/104'])
    expect(networkProblem(fine)).toBeUndefined();
  expect(networkProblem('10.1.2.3/8')).toContain('10.0.0.0/8');
  expect(networkProblem('fd00:1::1/8')).toContain('fd00::/8');
  expect(networkProblem('10.0.0.0/33')).toContain('at most 32 bits');
  for (const bad of ['10.0.0.0/08', '10.0.0/8', '10.0.0.0/', 'example.com', '', '10.0.0.0/-1', '::1%eth0', '1::/129'])
    expect(networkProblem(bad)).toMatch(/expected/);
});

test('loopback is what stays on this machine', () => {
  for (const own of ['127.0.0.1', '127.255.0.1', '::1', '::ffff:127.0.0.1']) expect(isLoopback(own)).toBe(true);
  for (const other of ['128.0.0.1', '::2', '0.0.0.0', 'localhost', '']) expect(isLoopback(other)).toBe(false);
  for (const own of ['localhost', '127.0.0.1', '::1', '[::1]', '[::ffff:7f00:1]'])
    expect(isLoopbackHost(own)).toBe(true);
  for (const other of ['127.example.com', 'localhost.example.com', '[::2]', '[127.0.0.1', '', '[localhost]'])
    expect(isLoopbackHost(other)).toBe(false);
});

test("networks hold the addresses that Node's own list says they hold", () => {
  const random = seeded();
  const address = (v6: boolean) =>
    v6
      ? Array.from({ length: 8 }, () => random.pick(['0', 'fd00', '2001', random.below(65_536).toString(16)])).join(':')
      : Array.from({ length: 4 }, () => random.pick([0, 10, 127, random.below(256)])).join('.');
  for (let i = 0; i < 2_000; i++) {
    const [head, other] = [address(i % 2 === 0), address(i % 2 === 0)];
    const family = isIPv4(head) ? 'ipv4' : 'ipv6';
    const bits = random.below(family === 'ipv4' ? 33 : 129);
    const text = `${head}/${bits}`;
    const network = networkProblem(text)?.split(': ')[1] ?? text;
    const list = new BlockList();
    list.addSubnet(head, bits, family);
    const expected = list.check(other, family);
    expect(deniedBy(other, { deny: [network] }) !== undefined, `${other} in ${network}`).toBe(expected);
    expect(deniedBy(head, { deny: [network] })).toBe(network);
  }
});
