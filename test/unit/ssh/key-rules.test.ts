import { generateKeyPairSync } from 'node:crypto';
import ssh2, { type ParsedKey } from 'ssh2';
import { expect, test } from 'vitest';
import { tooShort, whyNotKey } from '../../../workers/drivers/ssh/key-rules.js';

function rsa(bits: number): Buffer {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' });
  return (ssh2.utils.parseKey(pem) as ParsedKey).getPublicSSH();
}

const KEY = rsa(1_031);
const ED25519 = Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20'.padEnd(51, 'k'), 'latin1');

test('an RSA key of one bit less than required is too short, and one of as many is not', () => {
  expect(tooShort(KEY, 1_032)).toBe('it has 1031 bits, and RequiredRSASize is 1032');
  expect(tooShort(KEY, 1_031)).toBeUndefined();
  expect(tooShort(KEY)).toBeUndefined();
  expect(tooShort(ED25519, 4_096)).toBeUndefined();
});

test('a key must be able to sign with what PubkeyAcceptedAlgorithms has', () => {
  expect(whyNotKey(ED25519, { pubkeyAlgorithms: ['ssh-ed25519'] })).toBeUndefined();
  expect(whyNotKey(ED25519, { pubkeyAlgorithms: ['rsa-sha2-256'] })).toBe(
    'PubkeyAcceptedAlgorithms leaves out ssh-ed25519',
  );
  expect(whyNotKey(KEY, { pubkeyAlgorithms: ['rsa-sha2-256', 'rsa-sha2-512'] })).toBeUndefined();
  expect(whyNotKey(KEY, { pubkeyAlgorithms: ['rsa-sha2-256'] })).toContain('rsa-sha2-512');
  expect(whyNotKey(KEY, { pubkeyAlgorithms: [] })).toContain('rsa-sha2-256');
  expect(whyNotKey(KEY, {})).toBeUndefined();
});
