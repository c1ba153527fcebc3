import { readFile, stat } from 'node:fs/promises';
import type { ParsedKey } from 'ssh2';
import { KeylaneError } from '../../../src/errors.js';
import { type Clock, systemClock } from '../../../src/util/clock.js';
import { SingleFlight } from '../../../src/util/single-flight.js';
import { Decrypter } from './decrypter.js';
import { type KeyFile, readKeyFile } from './key-file.js';

/** What may be asked of the main thread here: the value behind a reference. */
export type AskSecret = (reference: string) => Promise<string>;

/** A file that holds a key, or the public half of one. */
export interface Identity {
  path: string;
  file: Exclude<KeyFile, { holds: 'nothing' }>;
  /** As the wire has it; of an encrypted file that does not show it, what stands in PATH.pub. */
  publicKey: Buffer | undefined;
  text: string;
  version: string;
}

/** A decrypted key that no log-in has asked for so long is forgotten when the next one is looked for. */
const KEPT_MS = 600_000;

/**
 * Key files, each read and decrypted once for as long as it does not change: an encrypted key costs half a second of a
 * core.
 */
export class Identities {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #looks = new Map<string, { version: string; identity: Promise<Identity> }>();
  readonly #looking = new SingleFlight<Identity>();
  readonly #decrypter = new Decrypter();
  /** Decrypted; the one that was asked for last stands last. */
  readonly #keys = new Map<string, { version: string; key: Promise<ParsedKey>; usedAt: number }>();

  constructor(clock: Pick<Clock, 'now'> = systemClock) {
    this.#clock = clock;
  }

  /** The file, without a passphrase. Rejects with `ERR_INPUT` that names the path and the fix. */
  look(path: string): Promise<Identity> {
    // Of 500 connections that open together, one looks.
    return this.#looking.run(path, () => this.#look(path));
  }

  async #look(path: string): Promise<Identity> {
    const version = await versionOf(path);
    const known = this.#looks.get(path);
    if (known?.version === version) return known.identity;
    const identity = read(path, version);
    this.#looks.set(path, { version, identity });
    identity.catch(() => this.#looks.delete(path));
    return identity;
  }

  /** The private key of an encrypted file. Rejects with `ERR_PASSPHRASE` where that is not its passphrase. */
  unlock({ path, text, version }: Identity, passphrase: string, secret: AskSecret): Promise<ParsedKey> {
    // With its reference: whoever may not read the passphrase gets no key that another one decrypted.
    const name = `${path}\0${passphrase}`;
    const known = this.#keys.get(name);
    const usedAt = this.#clock.now();
    const fits = known?.version === version;
    const entry = fits ? known : { version, key: this.#unlock(path, text, passphrase, secret), usedAt };
    entry.usedAt = usedAt;
    this.#keys.delete(name);
    this.#keys.set(name, entry);
    if (!fits) entry.key.catch(() => this.#keys.get(name) === entry && this.#keys.delete(name));
    for (const [oldest, { usedAt: at }] of this.#keys) {
      if (usedAt - at < KEPT_MS) break;
      this.#keys.delete(oldest);
    }
    return entry.key;
  }

  async #unlock(path: string, text: string, passphrase: string, secret: AskSecret): Promise<ParsedKey> {
    const key = await this.#decrypter.decrypt(text, await secret(passphrase)).catch((cause: Error) => {
      const message = `ssh.identity: ${path}: it could not be decrypted: ${cause.message}`;
      throw new KeylaneError('ERR_CONNECT', message, { cause, local: true });
    });
    if (key === 'wrong') {
      throw new KeylaneError(
        'ERR_PASSPHRASE',
        `ssh.identity: ${path}: the passphrase (${passphrase}) does not open it`,
      );
    }
    if (key instanceof Error) {
      const fix = `write it anew in OpenSSH's format: ssh-keygen -p -f '${path}'`;
      throw unfit(path, `it is encrypted in a way that keylane cannot read (${key.message}); ${fix}`);
    }
    return key;
  }
}

/** True where a file is missing, as opposed to unfit. */
export function isMissing(error: unknown): boolean {
  return error instanceof KeylaneError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

export function unfit(path: string, why: string, cause?: unknown): KeylaneError {
  return new KeylaneError('ERR_INPUT', `ssh.identity: ${path}: ${why}`, { cause });
}

/** There are ways out, and no passphrase. */
export function lacksPassphrase(path: string): KeylaneError {
  return unfit(
    path,
    'it is encrypted; give its `passphrase` as a reference (`env:NAME` or `file:PATH`), or use an agent',
  );
}

async function versionOf(path: string): Promise<string> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw unfit(path, 'there is no such file; check the path', cause);
    throw unfit(path, `it cannot be read (${cause.code}); check its owner and permissions`, cause);
  });
  if (!found.isFile()) throw unfit(path, 'it is not a file; name the private key itself');
  return `${found.ino} ${found.size} ${found.mtimeMs} ${found.mode}`;
}

async function read(path: string, version: string): Promise<Identity> {
  const text = await readFile(path, 'latin1').catch((cause: NodeJS.ErrnoException) => {
    throw unfit(path, `it cannot be read (${cause.code}); check its owner and permissions`, cause);
  });
  const file = readKeyFile(text);
  if (file.holds === 'nothing') throw unfit(path, file.why);
  if (file.holds !== 'public') await refuseIfOpen(path);
  let { publicKey } = file;
  if (!publicKey) {
    const beside = readKeyFile(await readFile(`${path}.pub`, 'latin1').catch(() => ''));
    if (beside.holds === 'public') publicKey = beside.publicKey;
  }
  return { path, file, publicKey, text, version };
}

/** As ssh does: on a file of somebody else's the permissions are not ours to judge. */
async function refuseIfOpen(path: string): Promise<void> {
  const { uid, mode } = await stat(path);
  if (uid !== process.getuid?.() || (mode & 0o077) === 0) return;
  const shown = (mode & 0o777).toString(8).padStart(4, '0');
  throw unfit(path, `its permissions (${shown}) let others read it; run: chmod 600 '${path}'`);
}
