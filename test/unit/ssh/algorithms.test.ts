import { expect, test } from 'vitest';
import type { SshAlgorithms } from '../../../src/ssh-types.js';
import { algorithmsFor, type Offer } from '../../../workers/drivers/ssh/algorithms.js';

const asked = (lists: SshAlgorithms, types: string[] = []) => algorithmsFor(new Set(types), lists);

function refusal(lists: SshAlgorithms): string {
  try {
    asked(lists);
  } catch (error) {
    return `${(error as { code: string }).code} ${(error as Error).message}`;
  }
  throw new Error('expected a refusal');
}

test('what is offered is this, and nothing of it is weak (S14)', () => {
  const offer = asked({});
  expect(offer).toMatchInlineSnapshot(`
    {
      "cipher": [
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes256-ctr",
        "chacha20-poly1305@openssh.com",
      ],
      "compress": [
        "none",
      ],
      "hmac": [
        "hmac-sha2-256",
        "hmac-sha2-512",
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
      ],
      "kex": [
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group14-sha256",
      ],
      "serverHostKey": [
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "rsa-sha2-512",
        "rsa-sha2-256",
      ],
    }
  `);
  const weak = /sha1|cbc|group-exchange|group1-|ssh-rsa|ssh-dss|md5|zlib|arcfour|ripemd/;
  expect(
    Object.values(offer)
      .flat()
      .filter((name) => weak.test(name)),
  ).toEqual([]);
});

test('host key algorithms of known types go first, and none is left out', () => {
  const { serverHostKey } = asked({}, ['ssh-rsa']);
  expect(serverHostKey.slice(0, 3)).toEqual(['rsa-sha2-512', 'rsa-sha2-256', 'ssh-ed25519']);
  expect(serverHostKey).toHaveLength(asked({}).serverHostKey.length);
});

test('a list of host key algorithms that sets an order keeps it; one that adds or takes away does not', () => {
  const types = ['ssh-rsa'];
  expect(asked({ hostKeys: 'ssh-ed25519,ssh-rsa' }, types).serverHostKey).toEqual(['ssh-ed25519', 'ssh-rsa']);
  expect(asked({ hostKeys: '^ssh-ed25519' }, types).serverHostKey[0]).toBe('ssh-ed25519');
  expect(asked({ hostKeys: '+ssh-rsa' }, types).serverHostKey.slice(0, 3)).toEqual([
    'rsa-sha2-512',
    'rsa-sha2-256',
    'ssh-rsa',
  ]);
  expect(asked({ hostKeys: '-ecdsa*' }, types).serverHostKey).toEqual(['rsa-sha2-512', 'rsa-sha2-256', 'ssh-ed25519']);
});

test.each<[SshAlgorithms, Partial<Record<keyof Offer, string>>]>([
  [{ ciphers: 'aes256-ctr,aes128-ctr' }, { cipher: 'aes256-ctr,aes128-ctr' }],
  [{ ciphers: '+aes128-cbc,aes128-ctr' }, { cipher: `${asked({}).cipher.join()},aes128-cbc` }],
  [{ ciphers: '-*gcm*,chacha20-poly1305@openssh.com' }, { cipher: 'aes128-ctr,aes256-ctr' }],
  [
    { ciphers: '^aes256-ctr' },
    { cipher: 'aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,chacha20-poly1305@openssh.com' },
  ],
  [{ ciphers: 'aes???-ctr' }, { cipher: 'aes128-ctr,aes256-ctr,aes192-ctr' }],
  [{ macs: 'umac-128-etm@openssh.com,hmac-sha2-512' }, { hmac: 'hmac-sha2-512' }],
  [
    { macs: '*' },
    { hmac: `${asked({}).hmac.join()},hmac-sha1-etm@openssh.com,hmac-sha1,hmac-sha1-96,hmac-md5,hmac-md5-96` },
  ],
  [
    {
      kex: 'sntrup761x25519-sha512@openssh.com,mlkem768x25519-sha256,curve25519-sha256,diffie-hellman-group-exchange-sha256',
    },
    { kex: 'curve25519-sha256' },
  ],
  [{ kex: '+diffie-hellman-group-exchange-sha256' }, { kex: asked({}).kex.join() }],
  [{ kex: '-no-such-thing' }, { kex: asked({}).kex.join() }],
  [{ hostKeys: 'ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com,ssh-rsa' }, { serverHostKey: 'ssh-rsa' }],
])('%j is what ssh makes of it, without what only ssh can do', (lists, expected) => {
  const offer = asked(lists);
  for (const [kind, names] of Object.entries(expected)) expect(offer[kind as keyof Offer].join()).toBe(names);
});

test('a name that nobody knows is refused, by its name', () => {
  expect(refusal({ ciphers: 'aes128-ctr,aes128-crt' })).toMatch(
    /^ERR_CONFIG_UNSUPPORTED ssh\.algorithms\.ciphers \(Ciphers\): keylane knows no "aes128-crt"/,
  );
  expect(refusal({ kex: '+curve' })).toContain('ssh.algorithms.kex (KexAlgorithms): keylane knows no "curve"');
});

test('a list of which nothing is left is refused, and says what there is', () => {
  expect(refusal({ kex: 'sntrup761x25519-sha512@openssh.com' })).toMatch(/has none .*transport: 'openssh'/);
  expect(refusal({ kex: 'diffie-hellman-group-exchange-sha256' })).toMatch(/has none .*transport: 'openssh'/);
  expect(refusal({ macs: '-*' })).toContain('takes away all that there is');
});

test('a pattern with many stars takes no time', () => {
  const begun = performance.now();
  expect(refusal({ ciphers: `${'*a'.repeat(2_000)}` })).toContain('has none');
  expect(performance.now() - begun).toBeLessThan(1_000);
});
