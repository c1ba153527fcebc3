import { join } from 'node:path';
import { KeylaneError } from '../../../../src/errors.js';
import type { SshTarget } from '../../../../src/specs/ssh.js';
import type { OpenContext } from '../../../../src/types.js';
import { deferred } from '../../../../src/util/deferred.js';
import type { Opening } from '../../../../src/util/opening.js';
import { printable } from '../../../../src/util/printable.js';
import { nameOf } from '../known-hosts.js';
import { type Prompt, readPrompt } from './prompts.js';
import { MARKS_QUESTIONS, type Version, versionThatAsks } from './version.js';

/** What `ssh` reads of an answer. */
const MOST_BYTES = 1_023;
/** Of a prompt that nobody expected, for a message. */
const MOST_SHOWN = 200;

/**
 * What one log-in of `ssh` is told: each secret for its own prompt and once. A prompt that comes again says that the
 * secret was wrong, and one for anything else that no answer will do: either ends the log-in (`over`), before a byte more
 * is sent.
 */
export class Answers {
  /** Rejects when the log-in is to be ended; never resolves. */
  readonly over: Promise<never>;
  /** The secrets that may be told. */
  readonly secrets: readonly string[];
  /** Whether the server may ask by itself. */
  readonly keyboardInteractive: boolean;
  /** The id of the process that may ask. */
  asker: number | undefined = undefined;
  readonly #target: SshTarget;
  readonly #context: OpenContext;
  readonly #opening: Opening;
  readonly #password: string | undefined;
  readonly #passphrase: string | undefined;
  readonly #told = new Set<string>();
  readonly #end: (error: KeylaneError) => void;

  /** Undefined where nothing can be asked. Rejects where a secret cannot be had, or `ssh` is too old to ask for it. */
  static async of(target: SshTarget, context: OpenContext, opening: Opening): Promise<Answers | undefined> {
    const { password, passphrase, hostKeys } = target;
    if (password === undefined && passphrase === undefined && hostKeys !== 'ask') return undefined;
    const version = await versionThatAsks(opening.key);
    const told = async (field: string, reference: string | undefined) =>
      reference === undefined ? undefined : oneLine(field, await context.ask('secret', reference));
    const secrets = [await told('password', password), await told('passphrase', passphrase)] as const;
    return new Answers(target, context, opening, secrets, version);
  }

  private constructor(
    target: SshTarget,
    context: OpenContext,
    opening: Opening,
    [password, passphrase]: readonly [string | undefined, string | undefined],
    version: Version,
  ) {
    const { promise, reject } = deferred<never>();
    promise.catch(() => undefined);
    this.over = promise;
    this.#end = reject;
    this.secrets = [password, passphrase].filter((secret) => secret !== undefined);
    this.keyboardInteractive = password !== undefined && version >= MARKS_QUESTIONS;
    this.#target = target;
    this.#context = context;
    this.#opening = opening;
    this.#password = password;
    this.#passphrase = passphrase;
  }

  /**
   * The answer to a prompt; undefined where there is none. Only the `ssh` that we have started gets one: a ProxyCommand
   * of its may ask too, on its own account.
   */
  async to(text: string, asker: number): Promise<string | undefined> {
    if (asker !== this.asker) return undefined;
    const prompt = readPrompt(text, this.#about());
    switch (prompt?.asks) {
      case 'passphrase':
        return this.#toPassphrase(prompt.path);
      case 'password':
        return this.#toPassword();
      case 'host key':
        return this.#toHostKey(prompt);
      case undefined: {
        // A key that nobody named may have a passphrase that nobody gave: there are others.
        if (text.startsWith('Enter passphrase for ')) return undefined;
        const asked = printable(text.trim().slice(0, MOST_SHOWN));
        return this.#over('ERR_AUTH', `${this.#opening.key} refused the log-in; ssh was asked for more: ${asked}`);
      }
    }
  }

  #toPassphrase(path: string): string | undefined {
    if (this.#passphrase === undefined) return undefined;
    if (this.#first(path)) return this.#passphrase;
    const { identities, passphrase } = this.#target;
    // Of one identity among several, what is wrong is no reason to stop.
    if (identities?.length !== 1) return undefined;
    return this.#over('ERR_PASSPHRASE', `ssh.identity: ${path}: the passphrase (${passphrase}) does not open it`);
  }

  #toPassword(): string | undefined {
    if (this.#password !== undefined && this.#first('')) return this.#password;
    const why =
      this.#password === undefined ? 'it asks for a password' : 'the password is wrong: it was asked for again';
    return this.#over('ERR_AUTH', `${this.#opening.key} refused the log-in; ${why}`);
  }

  async #toHostKey({ name, type, fingerprint }: Extract<Prompt, { asks: 'host key' }>): Promise<string | undefined> {
    const { hostKeys, knownHosts, home } = this.#target;
    const refuse = (why: string) =>
      this.#over('ERR_HOST_KEY', `${name} is not known. Its ${type} key is ${fingerprint}; ${why}`);
    if (hostKeys !== 'ask' || !this.#first(fingerprint)) return refuse('it was not accepted');
    const file = knownHosts?.[0] ?? join(home ?? '/', '.ssh', 'known_hosts');
    try {
      const asking = this.#context.ask('host_key', { name, type, fingerprint, file });
      const accepted = await this.#opening.pause(asking);
      // `ssh` compares it with what it was shown; a `yes` would be for whatever that is.
      return accepted === true ? fingerprint : refuse('it was not accepted');
    } catch (error) {
      return refuse(error instanceof KeylaneError ? error.message : 'it was not accepted');
    }
  }

  #about() {
    const { user, host, port, hostKeyAlias, identities, home } = this.#target;
    const usual = ['id_rsa', 'id_ecdsa', 'id_ecdsa_sk', 'id_ed25519', 'id_ed25519_sk', 'id_xmss', 'id_dsa'];
    return {
      user,
      host: hostKeyAlias ?? host,
      name: hostKeyAlias ?? nameOf(host, port),
      identities: identities ?? (home === undefined ? [] : usual.map((name) => join(home, '.ssh', name))),
    };
  }

  /** True at the first time. */
  #first(what: string): boolean {
    if (this.#told.has(what)) return false;
    this.#told.add(what);
    return true;
  }

  #over(code: 'ERR_AUTH' | 'ERR_PASSPHRASE' | 'ERR_HOST_KEY', message: string): undefined {
    this.#end(new KeylaneError(code, message, { key: this.#opening.key }));
  }
}

/** `ssh` takes one line. */
function oneLine(field: string, secret: string): string {
  if (!/[\r\n\0]/.test(secret) && Buffer.byteLength(secret) <= MOST_BYTES) return secret;
  const why = `the transport openssh takes one line of at most ${MOST_BYTES} bytes; use \`transport: 'ssh2'\``;
  throw new KeylaneError('ERR_CONFIG_UNSUPPORTED', `ssh.${field}: ${why}`);
}
