import { expect, test } from 'vitest';
import { algorithmsFor } from '../../../workers/drivers/ssh/algorithms.js';
import { negotiate, readOffer, type ServerOffer } from '../../../workers/drivers/ssh/kex-facts.js';

const STRICT = 'kex-strict-s-v00@openssh.com';

function offerOf(offer: {
  kex?: string;
  hostKeys?: string;
  ciphers?: string;
  macs?: string;
  compression?: string;
}): Buffer {
  const { kex = 'curve25519-sha256', hostKeys = 'ssh-ed25519', ciphers = 'aes128-ctr', macs = 'hmac-sha2-256' } = offer;
  const { compression = 'none' } = offer;
  const lists = [kex, hostKeys, ciphers, ciphers, macs, macs, compression, compression, '', ''];
  const parts = lists.map((text) => {
    const part = Buffer.alloc(4 + text.length);
    part.writeUInt32BE(text.length);
    part.write(text, 4);
    return part;
  });
  return Buffer.concat([Buffer.alloc(17, 20), ...parts, Buffer.alloc(5)]);
}

const agree = (offer: Parameters<typeof offerOf>[0]) =>
  negotiate(algorithmsFor(new Set()), readOffer(offerOf(offer)) as ServerOffer);

test('of each kind the first of ours that the server has is taken', () => {
  expect(agree({ kex: 'x,ecdh-sha2-nistp256,curve25519-sha256', ciphers: 'aes256-ctr,aes128-ctr' })).toMatchObject({
    kex: 'curve25519-sha256',
    hostKey: 'ssh-ed25519',
    cipher: 'aes128-ctr',
    mac: 'hmac-sha2-256',
    strict: false,
    postQuantum: false,
  });
  expect(agree({ ciphers: 'aes128-gcm@openssh.com', macs: 'umac-64@openssh.com' })).toMatchObject({ mac: 'implicit' });
});

test('both ways have their own cipher', () => {
  const theirs = readOffer(offerOf({})) as ServerOffer;
  theirs.ciphers.down = ['aes256-ctr'];
  const found = negotiate(algorithmsFor(new Set()), theirs);
  expect(found).toMatchObject({ cipher: 'aes128-ctr up, aes256-ctr down' });
});

test.each([
  [{ ciphers: 'chacha20-poly1305@openssh.com' }, 'chacha20-poly1305@openssh.com'],
  [{ macs: 'hmac-sha2-512-etm@openssh.com' }, 'hmac-sha2-512-etm@openssh.com'],
])('%j without strict key exchange is refused, and with it taken (Terrapin, S14)', (offer, exposed) => {
  expect(agree(offer)).toEqual({ notStrict: exposed });
  expect(agree({ ...offer, kex: `curve25519-sha256,${STRICT}` })).toMatchObject({ strict: true });
});

test('a server that is not strict gets what is safe without, even where it would rather have the other', () => {
  const ciphers = 'chacha20-poly1305@openssh.com,aes256-ctr';
  expect(agree({ ciphers, macs: 'hmac-sha2-256-etm@openssh.com,hmac-sha2-512' })).toMatchObject({
    cipher: 'aes256-ctr',
    mac: 'hmac-sha2-512',
    strict: false,
  });
});

test('all that is missing is named at once, with what the server has', () => {
  expect(
    agree({ kex: 'diffie-hellman-group1-sha1', hostKeys: 'ssh-dss', ciphers: '3des-cbc', compression: 'zlib' }),
  ).toEqual([
    { kind: 'kex', theirs: ['diffie-hellman-group1-sha1'] },
    { kind: 'hostKeys', theirs: ['ssh-dss'] },
    { kind: 'ciphers', theirs: ['3des-cbc'] },
    { kind: 'compression', theirs: ['zlib'] },
  ]);
});

test('a message that is cut anywhere is no offer', () => {
  const whole = offerOf({});
  // The two lists of languages and five more bytes are of no interest.
  const needed = whole.length - 13;
  expect(readOffer(whole.subarray(0, needed))).toBeDefined();
  for (let length = 0; length < needed; length++) expect(readOffer(whole.subarray(0, length))).toBeUndefined();
});
