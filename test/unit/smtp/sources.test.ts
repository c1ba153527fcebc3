import type { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import type { SmtpOptions } from '../../../src/smtp-types.ts';
import { makeSmtpSpec, type SmtpTarget } from '../../../src/specs/smtp.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const POOL = Array.from({ length: 8 }, (_, i) => `192.0.2.${i + 1}`);

/** A machine whose addresses can be changed, and that counts how often it was asked. */
function machine(...addresses: string[]) {
  const clock = new FakeClock();
  const known = { looks: 0, addresses };
  const interfaces = () => {
    known.looks++;
    const external = known.addresses.map((address) => ({ address, internal: false }));
    return { lo: [{ address: '127.0.0.1', internal: true }], eth0: external, none: undefined };
  };
  return { clock, known, deps: { clock, networkInterfaces: interfaces as unknown as typeof networkInterfaces } };
}

function sourceOf(spec: ReturnType<typeof makeSmtpSpec>, host: string): string | undefined {
  return (spec.parse({ host, from: 'a@x.example', to: 'b@y.example' }).target as SmtpTarget).sourceAddress;
}

test('a key has one address of the pool, always the same, and the keys together use all of them', () => {
  const options: SmtpOptions = { sourceAddresses: POOL };
  const spec = makeSmtpSpec(options);
  const hosts = Array.from({ length: 200 }, (_, i) => `mx-${i}.example`);
  const found = hosts.map((host) => sourceOf(spec, host));
  expect(hosts.map((host) => sourceOf(makeSmtpSpec(options), host))).toEqual(found);
  expect(new Set(found)).toEqual(new Set(POOL));
});

test('an address that goes moves the keys that had it, and no others', () => {
  const hosts = Array.from({ length: 200 }, (_, i) => `mx-${i}.example`);
  const before = makeSmtpSpec({ sourceAddresses: POOL });
  const after = makeSmtpSpec({ sourceAddresses: POOL.slice(1) });
  for (const host of hosts) {
    const was = sourceOf(before, host);
    if (was !== POOL[0]) expect(sourceOf(after, host)).toBe(was);
    else expect(sourceOf(after, host)).not.toBe(was);
  }
});

test('what a request says goes before, and the address is of the family of a host that is one', () => {
  const spec = makeSmtpSpec({ sourceAddresses: ['192.0.2.1', '2001:db8::1'] });
  expect(sourceOf(spec, '198.51.100.7')).toBe('192.0.2.1');
  expect(sourceOf(spec, '2001:db8:f::7')).toBe('2001:db8::1');
  const own = spec.parse({ host: 'mx.example', sourceAddress: '192.0.2.99', from: 'a@b', to: 'c@d' });
  expect(own.target).toMatchObject({ sourceAddress: '192.0.2.99' });
});

test('the machine is asked for its addresses once in 60 s, however many messages there are', () => {
  const { clock, known, deps } = machine('192.0.2.1', '2001:db8::1', 'fe80::1');
  const spec = makeSmtpSpec({ sourceAddresses: 'auto' }, deps);
  for (let i = 0; i < 1_000; i++) expect(sourceOf(spec, 'mx.example')).toBe('192.0.2.1');
  expect(known.looks).toBe(1);
  clock.advance(59_999);
  sourceOf(spec, 'mx.example');
  expect(known.looks).toBe(1);
  known.addresses = ['192.0.2.2'];
  clock.advance(1);
  expect(sourceOf(spec, 'mx.example')).toBe('192.0.2.2');
  expect(known.looks).toBe(2);
});

test('this machine itself is reached from any address', () => {
  const { deps } = machine('192.0.2.1');
  const spec = makeSmtpSpec({ sourceAddresses: 'auto' }, deps);
  expect(sourceOf(spec, '127.0.0.1')).toBeUndefined();
  expect(sourceOf(spec, 'localhost')).toBeUndefined();
  expect(sourceOf(makeSmtpSpec(), 'mx.example')).toBeUndefined();
});
