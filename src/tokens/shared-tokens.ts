import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import { lstat, mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ERRORS, type ErrorCode, KeylaneError } from '../errors.js';
import { digestOf } from './settings.js';

/** What the processes of one data directory tell one another of an account. Times are wall-clock milliseconds. */
export interface SharedRecord {
  obtainedAt: number;
  /** With its lifetime from then on, NaN where unknown; none where the server said no. */
  token?: { accessToken: string; lifetimeMs: number };
  /** What the server said, and until when it is not asked again. */
  no?: { code: ErrorCode; message: string; retryable: boolean; until: number; times: number };
  /** The refresh token behind the reference was used up, and its successor could not be stored: never send it again. */
  spent?: true;
}

/** Of which a record is opened: 32 bytes that only who can read the account's secrets can make. */
export type SealKey = Buffer;

const MAGIC = Buffer.from('KLT1');
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MOST_BYTES = 1_048_576;

/**
 * A key of the account's own secrets. They are long and random, as servers make them, so one step of HKDF (RFC 5869)
 * is enough; another secret behind the reference is another key, and what was sealed under the old one is void.
 */
export function sealKey(identity: string, secrets: readonly (string | undefined)[]): SealKey {
  const all = Buffer.from(JSON.stringify(secrets.map((secret) => secret ?? null)));
  return Buffer.from(hkdfSync('sha256', all, digestOf(identity), 'keylane shared access token 1', 32));
}

/**
 * `tokens/` of the data directory: a file for each account, sealed with AES-256-GCM. It is a cache: a file that is not
 * there, is torn, or was sealed under another key is no file.
 */
export class SharedTokens {
  readonly folder: string;
  #made: Promise<void> | undefined = undefined;

  constructor(dataDir: string) {
    this.folder = join(dataDir, 'tokens');
  }

  /** Rejects with `ERR_CONFIG` where the folder cannot be made, or is another user's. */
  make(): Promise<void> {
    this.#made ??= makeOwn(this.folder).catch((error: unknown) => {
      this.#made = undefined;
      throw error;
    });
    return this.#made;
  }

  pathOf(identity: string): string {
    return join(this.folder, digestOf(identity));
  }

  async read(identity: string, key: SealKey): Promise<SharedRecord | undefined> {
    try {
      return unseal(await readFile(this.pathOf(identity)), identity, key);
    } catch {
      return undefined;
    }
  }

  /** Whole or not at all: a reader sees the file before or the file after. */
  async write(identity: string, key: SealKey, record: SharedRecord): Promise<void> {
    const draft = `${this.pathOf(identity)}.${randomUUID()}`;
    try {
      const file = await open(draft, 'wx', 0o600);
      try {
        await file.chmod(0o600);
        await file.writeFile(seal(record, identity, key));
        // A lost token costs a request. A lost `spent` costs the login.
        if (record.spent) await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, this.pathOf(identity));
    } catch (error) {
      await unlink(draft).catch(() => undefined);
      throw error;
    }
  }
}

async function makeOwn(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new KeylaneError('ERR_CONFIG', `the folder ${folder} cannot be made: ${why}`, { cause });
  }
  const found = await lstat(folder);
  const ours = found.isDirectory() && (process.geteuid === undefined || found.uid === process.geteuid());
  if (!ours) throw new KeylaneError('ERR_CONFIG', `${folder} is not a folder of this user`);
  if ((found.mode & 0o077) === 0) return;
  throw new KeylaneError('ERR_CONFIG', `${folder} is open to others; chmod 700 it`);
}

/** magic · nonce · tag · the sealed JSON. The account is authenticated with it: no file can stand for another's. */
function seal(record: SharedRecord, identity: string, key: SealKey): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(identity));
  const sealed = Buffer.concat([cipher.update(JSON.stringify(record), 'utf8'), cipher.final()]);
  return Buffer.concat([MAGIC, nonce, cipher.getAuthTag(), sealed]);
}

/** Throws at whatever is not as `seal` left it. */
function unseal(bytes: Buffer, identity: string, key: SealKey): SharedRecord | undefined {
  const from = MAGIC.length;
  if (bytes.length > MOST_BYTES || !bytes.subarray(0, from).equals(MAGIC)) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(from, from + NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(identity));
  decipher.setAuthTag(bytes.subarray(from + NONCE_BYTES, from + NONCE_BYTES + TAG_BYTES));
  const text = Buffer.concat([decipher.update(bytes.subarray(from + NONCE_BYTES + TAG_BYTES)), decipher.final()]);
  return recordOf(JSON.parse(text.toString('utf8')));
}

/** What it holds was written by a keylane that could read the secrets, though perhaps by another version. */
function recordOf(value: Partial<SharedRecord>): SharedRecord | undefined {
  const { obtainedAt, token, no, spent } = value;
  if (typeof obtainedAt !== 'number') return undefined;
  return {
    obtainedAt,
    ...(typeof token?.accessToken === 'string'
      ? { token: { accessToken: token.accessToken, lifetimeMs: token.lifetimeMs ?? Number.NaN } }
      : {}),
    ...(no && no.code in ERRORS && typeof no.until === 'number' ? { no } : {}),
    ...(spent ? { spent } : {}),
  };
}
