import { generateKeyPairSync, randomBytes } from 'node:crypto';

export interface KeyPair {
  /** In OpenSSH's own format, which both OpenSSH and ssh2 read. */
  private: string;
  /** As in authorized_keys: type and base64. */
  public: string;
}

/**
 * A new ed25519 key pair, without a process. Not ssh2's own generator: it drops a leading zero byte of the key, and
 * 10 of 2,000 of its keys could not be read back (ssh2 1.17).
 */
export function newKeyPair(): KeyPair {
  const { x, d } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  if (x === undefined || d === undefined) throw new Error('an ed25519 key has both an x and a d');
  const [point, secret] = [Buffer.from(x, 'base64url'), Buffer.from(d, 'base64url')];
  const publicBlob = Buffer.concat([text(TYPE), text(point)]);
  return { private: armor(privateBlob(publicBlob, point, secret)), public: `${TYPE} ${publicBlob.toString('base64')}` };
}

const TYPE = 'ssh-ed25519';

/** Without passphrase; OpenSSH's PROTOCOL.key. */
function privateBlob(publicBlob: Buffer, point: Buffer, secret: Buffer): Buffer {
  // The same random number twice: how a reader knows that it decrypted well.
  const check = randomBytes(4);
  const inner = Buffer.concat([check, check, publicBlob, text(Buffer.concat([secret, point])), text('')]);
  const padding = Buffer.from(Array.from({ length: -inner.length & 7 }, (_, i) => i + 1));
  return Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    text('none'),
    text('none'),
    text(''),
    Buffer.from([0, 0, 0, 1]),
    text(publicBlob),
    text(Buffer.concat([inner, padding])),
  ]);
}

/** A string of the SSH protocol: its length in four bytes, then itself. */
function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function armor(blob: Buffer): string {
  const lines = blob.toString('base64').match(/.{1,70}/g) ?? [];
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n');
}
