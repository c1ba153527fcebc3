import { KeylaneError } from '../../../src/errors.js';
import type { SshTarget } from '../../../src/specs/ssh.js';
import type { SshProbe } from '../../../src/ssh-types.js';
import type { Questions } from '../../../src/types.js';
import { quoteArgv } from '../../../src/util/quote.js';
import { tooShort } from './key-rules.js';
import { fingerprint, hashed, type KnownHosts, type KnownKey, nameOf, typeOf } from './known-hosts.js';

type Asked = Pick<SshTarget, 'host' | 'port' | 'hostKeys' | 'hostKeyAlias' | 'hashKnownHosts' | 'requiredRsaBits'>;
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
  /** Another key is known, and nobody minds (`insecure`): as with ssh, no password may go there. */
  isChanged = false;
  readonly #target: Asked;
  readonly #files: Files;
  #accepted: AcceptedKey | undefined = undefined;
  #approved: Buffer | undefined = undefined;

  /** `files` as they are, undefined for a missing one; `file` is the user's own. */
  constructor(target: Asked, files: Files, file: string) {
    this.name = target.hostKeyAlias ?? nameOf(target.host, target.port);
    this.file = file;
    this.#target = target;
    this.#files = files;
    this.knownTypes = new Set(
      [...this.#keys(files), ...this.#portless(files)].filter((known) => !known.revoked).map((known) => known.type),
    );
  }

  /** The key that was accepted: all that the connection needs from then on. */
  get accepted(): AcceptedKey | undefined {
    return this.#accepted;
  }

  /** The key that was accepted, and why. */
  get about(): SshProbe['hostKey'] {
    const key = this.#accepted?.key ?? Buffer.alloc(0);
    const known = [...this.#keys(this.#files), ...this.#portless(this.#files)].some((entry) => entry.key.equals(key));
    const decision = known ? 'known' : this.#target.hostKeys === 'insecure' ? 'unchecked' : 'new';
    return { type: typeOf(key), fingerprint: fingerprint(key), decision };
  }

  /** What a person is asked about a key that is not known (`ask`); undefined where nobody has to be asked. */
  question(key: Buffer): Questions['host_key']['about'] | undefined {
    if (this.#accepted || this.#target.hostKeys !== 'ask') return undefined;
    const verdict = this.#judge(key, this.#files);
    if (verdict !== 'new') return undefined;
    return { name: this.name, type: typeOf(key), fingerprint: fingerprint(key), file: this.file };
  }

  /** The answer to the question was yes. */
  approve(key: Buffer): void {
    this.#approved = Buffer.from(key);
  }

  /** The answer to the question was no, or there was none. */
  declined(key: Buffer, cause?: unknown): void {
    const answered = cause instanceof KeylaneError ? cause.message : 'it was not accepted';
    const { message } = this.#unknown(key, typeOf(key), this.#files);
    this.refusal = new KeylaneError('ERR_HOST_KEY', `${message}; ${answered}`);
  }

  /** Exactly true or exactly false, never a throw: ssh2 takes everything but `false` for a yes (FACTS 1). */
  verify(key: Buffer): boolean {
    try {
      this.refusal = this.#first(key);
    } catch (cause) {
      this.refusal = new KeylaneError('ERR_HOST_KEY', `the key of ${this.name} could not be checked`, { cause });
    }
    return this.refusal === undefined;
  }

  /**
   * Looks again whether the host is new, in the file as it is now. Gives the line to write, or undefined where somebody
   * else has written it; throws where they wrote another key.
   */
  recheck(now: KnownHosts | undefined): string | undefined {
    const { key } = this.#accepted as AcceptedKey;
    const verdict = this.#judge(key, [now]);
    if (verdict instanceof KeylaneError) throw verdict;
    const name = this.#target.hashKnownHosts ? hashed(this.name) : this.name;
    return verdict === 'new' ? `${name} ${typeOf(key)} ${key.toString('base64')}` : undefined;
  }

  #first(key: Buffer): KeylaneError | undefined {
    const verdict = this.#judge(key, this.#files);
    if (verdict instanceof KeylaneError) return verdict;
    if (verdict === 'new' && this.#target.hostKeys === 'ask' && !this.#approved?.equals(key))
      return this.#unknown(key, typeOf(key), this.#files);
    this.isNew = verdict === 'new';
    this.#accepted = new AcceptedKey(this.name, key);
    return undefined;
  }

  #judge(key: Buffer, files: Files): 'known' | 'new' | KeylaneError {
    const type = typeOf(key);
    if (type === '') return error(`${this.name} showed what is no key`);
    const keys = this.#keys(files);
    const portless = this.#portless(files);
    const revoked = keys.find((known) => known.revoked && known.key.equals(key));
    if (revoked)
      return error(
        `the ${type} key of ${this.name}, ${fingerprint(key)}, is revoked by ${revoked.file}:${revoked.line}`,
      );
    const short = tooShort(key, this.#target.requiredRsaBits);
    if (short) return error(`the key of ${this.name}, ${fingerprint(key)}: ${short}`);
    const known = keys.filter((entry) => !entry.revoked);
    if (known.some((entry) => entry.key.equals(key))) return 'known';
    // As ssh does: a key of another type is no excuse, for whoever is in between could offer nothing else.
    const other = known.find((entry) => entry.type === type) ?? known[0];
    if (this.#target.hostKeys === 'insecure') {
      this.isChanged = other !== undefined;
      return 'known';
    }
    if (other) return this.#changed(key, type, other);
    if (portless.some((entry) => !entry.revoked && entry.key.equals(key))) return 'known';
    return this.#target.hostKeys === 'strict' ? this.#unknown(key, type, files) : 'new';
  }

  #keys(files: Files): KnownKey[] {
    return files.flatMap((known) => known?.keysOf(this.name) ?? []);
  }

  /** Keys of the host without its port. As in OpenSSH they vouch for another port of which nothing is known. */
  #portless(files: Files): KnownKey[] {
    const { host, hostKeyAlias } = this.#target;
    return hostKeyAlias !== undefined || this.name === host ? [] : files.flatMap((known) => known?.keysOf(host) ?? []);
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

/** The key that a connection began with. On a rekey it alone will do. */
export class AcceptedKey {
  readonly key: Buffer;
  /** Why another was refused. */
  refusal: KeylaneError | undefined = undefined;
  readonly #name: string;

  constructor(name: string, key: Buffer) {
    this.#name = name;
    this.key = Buffer.from(key);
  }

  /** Exactly true or exactly false, as of HostKey. */
  verify(key: Buffer): boolean {
    if (this.key.equals(key)) return true;
    this.refusal = error(`${this.#name} showed another key in the middle of a connection`);
    return false;
  }
}

function error(message: string): KeylaneError {
  return new KeylaneError('ERR_HOST_KEY', message);
}
