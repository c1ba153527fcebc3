import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { ParsedKey } from 'ssh2';
import { BlobReader, packed, uint32 } from './blob.js';
import { utils } from './ssh2.js';

/** What a file that should hold a key holds. `publicKey` is as the wire has it, where the file shows it. */
export type KeyFile =
  | { holds: 'private'; key: ParsedKey; publicKey: Buffer }
  | { holds: 'encrypted'; publicKey: Buffer | undefined }
  | { holds: 'public'; publicKey: Buffer }
  | { holds: 'nothing'; why: string };

/** Looks at the text of a key file, without a passphrase. */
export function readKeyFile(text: string): KeyFile {
  const shown = publicPartOf(text);
  const why = shown && whyNotKeyType(typeOf(shown));
  if (why !== undefined) return { holds: 'nothing', why };
  const key = parse(text);
  if (key instanceof NoPassphrase) return { holds: 'encrypted', publicKey: shown };
  if (key instanceof Error)
    return { holds: 'nothing', why: `it is not a private key that keylane can read (${key.message})` };
  const publicKey = key.getPublicSSH();
  const unfit = whyNotKeyType(key.type);
  if (unfit !== undefined) return { holds: 'nothing', why: unfit };
  return key.isPrivateKey() ? { holds: 'private', key, publicKey } : { holds: 'public', publicKey };
}

/** What came of a try to decrypt a file: a key that is not encrypted, or why there is none. */
export type Plain = { pem: string; why?: undefined } | { pem?: undefined; why: string };

/** The key that a file holds which was encrypted. */
export function keyOfPlain(pem: string): ParsedKey | Error {
  return parse(pem);
}

/** Why an encrypted file is not decrypted at all. */
export function whyTooSlow(text: string): Error | undefined {
  const rounds = openSshOf(text)?.rounds ?? 0;
  if (rounds <= MOST_ROUNDS) return undefined;
  return new Error(`unsupported: ${rounds} rounds of bcrypt, more than ${MOST_ROUNDS}`);
}

/** Why ssh2 cannot log in with a key of this type; undefined where it can. */
export function whyNotKeyType(type: string): string | undefined {
  if (type.startsWith('sk-')) return `it is on a FIDO token (${type}); use \`transport: 'openssh'\``;
  if (type.includes('-cert-v01@')) return `it is a certificate (${type}); use \`transport: 'openssh'\``;
  if (type === 'ssh-dss') return 'it is a DSA key, which signs with SHA-1; make a new one (ssh-keygen -t ed25519)';
  return undefined;
}

class NoPassphrase extends Error {}

function parse(text: string): ParsedKey | Error {
  if (/^-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/m.test(text)) return parsePkcs8(text.trim());
  try {
    const key = ssh2Key(text);
    return key instanceof Error && /no passphrase given/i.test(key.message) ? new NoPassphrase() : key;
  } catch (error) {
    // It does at some damaged files.
    return error as Error;
  }
}

/** The key of a blob as the wire has it; undefined where it is of no known type, or damaged. */
export function keyOfBlob(blob: Buffer): ParsedKey | undefined {
  try {
    const key = ssh2Key(blob);
    return key instanceof Error ? undefined : key;
  } catch {
    return undefined;
  }
}

/** Throws at some damaged keys. One that says that it holds no keys is nothing at all to ssh2, and no error. */
function ssh2Key(data: string | Buffer): ParsedKey | Error {
  const found: unknown = utils.parseKey(data);
  const key: unknown = Array.isArray(found) ? found[0] : found;
  return (key as ParsedKey | Error | undefined) ?? new Error('it holds no key');
}

/** ssh2 reads no PKCS#8; OpenSSL does, and writes what ssh2 reads. */
function parsePkcs8(text: string): ParsedKey | Error {
  try {
    const key = createPrivateKey(text);
    const plain = plainOf(key);
    if (plain === undefined) return new Error(`unsupported key type ${key.asymmetricKeyType}`);
    return ssh2Key(plain);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MISSING_PASSPHRASE' || code === 'ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED') {
      return new NoPassphrase();
    }
    return new Error((error as Error).message);
  }
}

function plainOf(key: KeyObject): string | undefined {
  if (key.asymmetricKeyType === 'rsa') return key.export({ type: 'pkcs1', format: 'pem' }).toString();
  if (key.asymmetricKeyType === 'ec') return key.export({ type: 'sec1', format: 'pem' }).toString();
  return key.asymmetricKeyType === 'ed25519' ? ed25519Of(key) : undefined;
}

/** OpenSSH's own format (PROTOCOL.key), not encrypted: the only one of an ed25519 key that ssh2 reads. */
function ed25519Of(key: KeyObject): string {
  const { d = '', x = '' } = key.export({ format: 'jwk' });
  const type = packed('ssh-ed25519');
  const seen = Buffer.from(x, 'base64url');
  const secret = packed(Buffer.concat([Buffer.from(d, 'base64url'), seen]));
  const body = Buffer.concat([uint32(0), uint32(0), type, packed(seen), secret, packed('')]);
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7]).subarray(0, (8 - (body.length % 8)) % 8);
  const blob = Buffer.concat([
    MAGIC,
    packed('none'),
    packed('none'),
    packed(''),
    uint32(1),
    packed(Buffer.concat([type, packed(seen)])),
    packed(Buffer.concat([body, padding])),
  ]);
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${blob.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

const MAGIC = Buffer.from('openssh-key-v1\0');
/** 16, as ssh-keygen makes them, take about half a second (decrypter.ts). The file says how many there are, up to 4 billion. */
const MOST_ROUNDS = 100;

/** The public key that a public file is, or that OpenSSH's private format holds in the clear. */
function publicPartOf(text: string): Buffer | undefined {
  const own = openSshOf(text);
  if (own) return own.publicKey;
  const line = /^\s*([a-z0-9@.-]+)\s+(AAAA[A-Za-z0-9+/=]+)/.exec(text);
  const blob = line ? Buffer.from(line[2] as string, 'base64') : undefined;
  return blob && typeOf(blob) === line?.[1] ? blob : undefined;
}

/** What OpenSSH's private format holds in the clear (PROTOCOL.key); undefined where it is another. */
function openSshOf(text: string): { publicKey: Buffer | undefined; rounds: number } | undefined {
  // As ssh2 does, which skips what is no base64: it must be the same bytes of which the rounds are counted.
  const own = /^-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+)-----END/m.exec(text)?.[1];
  if (own === undefined) return undefined;
  const bytes = Buffer.from(own, 'base64');
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return { publicKey: undefined, rounds: 0 };
  const reader = new BlobReader(bytes, MAGIC.length);
  // The cipher, and how its key is made: by bcrypt, of a salt in so many rounds.
  reader.string();
  reader.string();
  const options = new BlobReader(reader.string() ?? Buffer.alloc(0));
  options.string();
  reader.uint32();
  return { publicKey: reader.string(), rounds: options.uint32() ?? 0 };
}

function typeOf(publicKey: Buffer): string {
  return new BlobReader(publicKey).string()?.toString('latin1') ?? '';
}
