import { KeylaneError } from '../../../src/errors.js';
import type { SshTarget } from '../../../src/specs/ssh.js';
import { quoteArgv } from '../../../src/util/quote.js';
import { fingerprint, type KnownHosts, type KnownKey, nameOf, typeOf } from './known-hosts.js';

type Asked = Pick<SshTarget, 'host' | 'port' | 'hostKeys'>;
type Files = readonly (KnownHosts | undefined)[];

/**
 * Decides about the key of one connection's host. Everything it needs was read before the connection was opened, so the
 * answer is there at once: with an answer that comes later, a rekey by the server corrupts the connection (FACTS 2).
 */
export class HostKey {
  /** What known_hosts calls the host. */
  readonly name: string;
  /** The file that a new line belongs in. */
  readonly file: string;
  /** Types of the keys that are known for the host; their algorithms are to be preferred. */
  readonly knownTypes: ReadonlySet<string>;
  /** Why the key was refused. */
  refusal: KeylaneError | undefined = undefined;
  /** The host was not known and is taken on trust (`accept-new`): write its key down before the connection is used. */
  isNew = false;
  readonly #target: Asked;
  readonly #files: Files;
  #accepted: Buffer | undefined = undefined;

  /** `files` as they are, undefined for a missing one; `file` is the user's own. */
  constructor(target: Asked, files: Files, file: string) {
    this.name = nameOf(target.host, target.port);
    this.file = file;
    this.#target = target;
    this.#files = files;
    this.knownTypes = new Set(
      [...this.#keys(files), ...this.#portless(files)].filter((known) => !known.revoked).map((known) => known.type),
    );
  }

  /**
   * Exactly true or exactly false, never a throw: ssh2 takes everything but `false` for a yes (FACTS 1). On a rekey the
   * accepted key alone will do.
   */
  readonly verify = (key: Buffer): boolean => {
    try {
      this.refusal = this.#accepted ? this.#sameAs(this.#accepted, key) : this.#first(key);
    } catch (cause) {
      this.refusal = new KeylaneError('ERR_HOST_KEY', `the key of ${this.name} could not be checked`, { cause });
    }
    return this.refusal === undefined;
  };

  /**
   * Looks again whether the host is new, in the file as it is now. Gives the line to write, or undefined where somebody
   * else has written it; throws where they wrote another key.
   */
  recheck(now: KnownHosts | undefined): string | undefined {
    const key = this.#accepted as Buffer;
    const verdict = this.#judge(key, [now]);
    if (verdict instanceof KeylaneError) throw verdict;
    return verdict === 'new' ? `${this.name} ${typeOf(key)} ${key.toString('base64')}` : undefined;
  }

  #sameAs(accepted: Buffer, key: Buffer): KeylaneError | undefined {
    return accepted.equals(key) ? undefined : error(`${this.name} showed another key in the middle of a connection`);
  }

  #first(key: Buffer): KeylaneError | undefined {
    const verdict = this.#judge(key, this.#files);
    if (verdict instanceof KeylaneError) return verdict;
    this.isNew = verdict === 'new';
    this.#accepted = Buffer.from(key);
    return undefined;
  }

  #judge(key: Buffer, files: Files): 'known' | 'new' | KeylaneError {
    const type = typeOf(key);
    if (type === '') return error(`${this.name} showed what is no key`);
    const keys = this.#keys(files);
    const portless = this.#portless(files);
    const revoked = [...keys, ...portless].find((known) => known.revoked && known.key.equals(key));
    if (revoked)
      return error(
        `the ${type} key of ${this.name}, ${fingerprint(key)}, is revoked by ${revoked.file}:${revoked.line}`,
      );
    if (this.#target.hostKeys === 'insecure') return 'known';
    const known = keys.filter((entry) => !entry.revoked);
    if (known.some((entry) => entry.key.equals(key))) return 'known';
    const other = known.find((entry) => entry.type === type) ?? known[0];
    // A new type of key is no excuse: whoever is in between could offer nothing else.
    if (other) return this.#changed(key, type, other);
    if (portless.some((entry) => !entry.revoked && entry.key.equals(key))) return 'known';
    return this.#target.hostKeys === 'accept-new' ? 'new' : this.#unknown(key, type, files);
  }

  #keys(files: Files): KnownKey[] {
    return files.flatMap((known) => known?.keysOf(this.name) ?? []);
  }

  /** Keys of the host without its port. As in OpenSSH they vouch for another port of which nothing is known. */
  #portless(files: Files): KnownKey[] {
    const { host } = this.#target;
    return this.name === host ? [] : files.flatMap((known) => known?.keysOf(host) ?? []);
  }

  #changed(key: Buffer, type: string, known: KnownKey): KeylaneError {
    return error(
      `the key of ${this.name} is not the known one: it shows ${type} ${fingerprint(key)}, and ${known.file}:${known.line} has ` +
        `${known.type} ${fingerprint(known.key)}; somebody may be in between. If the host was set up anew, remove that line ` +
        `(ssh-keygen -R ${quoteArgv([this.name])} -f ${quoteArgv([known.file])}) and add the new key`,
    );
  }

  #unknown(key: Buffer, type: string, files: Files): KeylaneError {
    const { host, port } = this.#target;
    const why = files.every((known) => known === undefined)
      ? `there is no ${this.file}`
      : `${this.file} does not have it`;
    const command = `ssh-keyscan -p ${port} ${host} >> ${quoteArgv([this.file])}`;
    return error(
      `${this.name} is not known: ${why}. Its ${type} key is ${fingerprint(key)}; check that with whoever runs the host, ` +
        `then add it with: ${command} (or ask for \`hostKeys: 'accept-new'\`)`,
    );
  }
}

function error(message: string): KeylaneError {
  return new KeylaneError('ERR_HOST_KEY', message);
}
