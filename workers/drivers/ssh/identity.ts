import { readFile, stat } from 'node:fs/promises';
import ssh2, { type ParsedKey } from 'ssh2';
import { KeylaneError } from '../../../src/errors.js';

/** What may be asked of the main thread here: the value behind a reference. */
export type AskSecret = (reference: string) => Promise<string>;

/**
 * Private keys, each read and decrypted once for as long as its file does not change: an encrypted key costs 100 ms of
 * bcrypt, which would otherwise stop the shard at each connection.
 */
export class Identities {
  readonly #keys = new Map<string, { version: string; key: Promise<ParsedKey> }>();

  /** Rejects with `ERR_INPUT` that names the path and the fix. */
  async read(path: string, passphrase: string | undefined, secret: AskSecret): Promise<ParsedKey> {
    const version = await versionOf(path);
    // With its reference: whoever may not read the passphrase gets no key that another one decrypted.
    const name = `${path}\0${passphrase ?? ''}`;
    const known = this.#keys.get(name);
    if (known?.version === version) return known.key;
    const key = readKey(path, passphrase, secret);
    this.#keys.set(name, { version, key });
    key.catch(() => this.#keys.delete(name));
    return key;
  }
}

/** True where a file is missing, as opposed to unfit. */
export function isMissing(error: unknown): boolean {
  return error instanceof KeylaneError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

async function versionOf(path: string): Promise<string> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw unfit(path, 'there is no such file; check the path', cause);
    throw unfit(path, `it cannot be read (${cause.code}); check its owner and permissions`, cause);
  });
  if (!found.isFile()) throw unfit(path, 'it is not a file; name the private key itself');
  // As ssh does: on a file of somebody else's the permissions are not ours to judge.
  if (found.uid === process.getuid?.() && (found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
    throw unfit(path, `its permissions (${mode}) let others read it; run: chmod 600 '${path}'`);
  }
  return `${found.ino} ${found.size} ${found.mtimeMs} ${found.mode}`;
}

async function readKey(path: string, passphrase: string | undefined, secret: AskSecret): Promise<ParsedKey> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw unfit(path, `it cannot be read (${cause.code}); check its owner and permissions`, cause);
  });
  let key = parse(bytes);
  if (key instanceof Error && /passphrase/i.test(key.message)) {
    if (passphrase === undefined) {
      throw unfit(
        path,
        'it is encrypted; give its `passphrase` as a reference (`env:NAME` or `file:PATH`), or use an agent',
      );
    }
    key = parse(bytes, await secret(passphrase));
    if (key instanceof Error) throw unfit(path, `the passphrase (${passphrase}) does not open it`);
  }
  if (key instanceof Error) throw unfit(path, `it is not a private key that keylane can read (${key.message})`);
  if (!key.isPrivateKey()) throw unfit(path, 'it is a public key; name the private one');
  return key;
}

function parse(bytes: Buffer, passphrase?: string): ParsedKey | Error {
  const key = ssh2.utils.parseKey(bytes, passphrase);
  return Array.isArray(key) ? (key[0] as ParsedKey) : key;
}

function unfit(path: string, why: string, cause?: unknown): KeylaneError {
  return new KeylaneError('ERR_INPUT', `ssh.identity: ${path}: ${why}`, { cause });
}
