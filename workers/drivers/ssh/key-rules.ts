import type { SshTarget } from '../../../src/specs/ssh.js';
import { BlobReader } from './blob.js';

/** What of ssh_config forbids to log in with a key, or undefined. */
export function whyNotKey(
  key: Buffer,
  { requiredRsaBits, pubkeyAlgorithms }: Pick<SshTarget, 'requiredRsaBits' | 'pubkeyAlgorithms'>,
): string | undefined {
  const short = tooShort(key, requiredRsaBits);
  if (short !== undefined || pubkeyAlgorithms === undefined) return short;
  const type = new BlobReader(key).string()?.toString('latin1') ?? '';
  // ssh2 chooses between the two; where one of them is not allowed the key would be a gamble.
  const needed = type === 'ssh-rsa' ? ['rsa-sha2-256', 'rsa-sha2-512'] : [type];
  const missing = needed.find((name) => !pubkeyAlgorithms.includes(name));
  return missing === undefined ? undefined : `PubkeyAcceptedAlgorithms leaves out ${missing}`;
}

/** What is wrong with the length of an RSA key, or undefined; of any other key nothing is. */
export function tooShort(key: Buffer, requiredBits = 0): string | undefined {
  const reader = new BlobReader(key);
  if (requiredBits === 0 || reader.string()?.toString('latin1') !== 'ssh-rsa') return undefined;
  reader.string();
  const modulus = reader.string() ?? Buffer.alloc(0);
  const start = modulus.findIndex((byte) => byte !== 0);
  const bits = start < 0 ? 0 : (modulus.length - start) * 8 - Math.clz32(modulus[start]!) + 24;
  return bits < requiredBits ? `it has ${bits} bits, and RequiredRSASize is ${requiredBits}` : undefined;
}
