import type { AnyAuthMethod, BaseAgent } from 'ssh2';
import type { SshProbe } from '../../../src/ssh-types.js';
import { printable } from '../../../src/util/printable.js';
import type { AgentKey } from './agent.js';
import type { Credential, Credentials } from './credentials.js';

/**
 * Decides what is tried next at a log-in, by what the server still allows (RFC 4252, 5.1): each credential once, in
 * their order; after a partial success what was not allowed before may be.
 */
export class Auth {
  readonly #user: string;
  readonly #skipped: readonly string[];
  readonly #notes: string[] = [];
  readonly #agentKeys: AgentKey[] = [];
  #left: Credential[];
  #tried: string[] = [];
  #partial: string[] = [];
  /** What the server allows; undefined until it refused something. */
  #allowed: readonly string[] | undefined = undefined;

  constructor(user: string, { list, skipped }: Pick<Credentials, 'list' | 'skipped'>) {
    this.#user = user;
    this.#left = [...list];
    this.#skipped = skipped;
  }

  /** The server refused the last try, or (`partial`) took it and wants more. */
  refused(allowed: readonly string[], partial: boolean): void {
    this.#allowed = allowed;
    const last = this.#tried.at(-1);
    if (partial && last) this.#partial.push(last);
  }

  /** The host is not who it was: a password would be given to whoever it is. */
  keepPasswords(): void {
    const before = this.#left.length;
    this.#left = this.#left.filter(({ method }) => method === 'publickey');
    if (this.#left.length < before) this.#notes.push('the password, because the host key has changed');
  }

  /** What to try next; false where nothing is left. */
  next(): AnyAuthMethod | false {
    const allowed = this.#allowed;
    const place = this.#left.findIndex(({ method }) => !allowed || allowed.includes(method));
    const [credential] = place < 0 ? [] : this.#left.splice(place, 1);
    if (credential) {
      this.#tried.push(credential.says);
      if ('agentKey' in credential) this.#agentKeys.push(credential.agentKey);
      return methodOf(this.#user, credential, (what) => this.#notes.push(what));
    }
    // With nothing to show: there are servers that let everybody in, and the others tell what they want.
    if (allowed) return false;
    this.#tried.push('none');
    this.#allowed = [];
    return { type: 'none', username: this.#user };
  }

  /** What was tried, once the server has let us in. */
  get tries(): SshProbe['tries'] {
    return this.#tried.map((says, index) => {
      const last = index === this.#tried.length - 1;
      return { says, result: last ? 'accepted' : this.#partial.includes(says) ? 'partial' : 'refused' };
    });
  }

  /** Why nothing was good enough, for a message. */
  explain(): string {
    const tried = this.#tried.filter((what) => what !== 'none');
    const parts = [
      tried.length > 0 ? `tried ${tried.join(', ')}` : 'there was nothing to try: no identity, agent key or password',
    ];
    if (this.#partial.length > 0) parts.push(`the server took ${this.#partial.join(', ')} and wants more`);
    if (this.#allowed && this.#allowed.length > 0)
      parts.push(`the server allows ${printable(this.#allowed.join(', '))}`);
    const problems = this.#agentKeys.flatMap(({ says, problem }) =>
      problem === undefined ? [] : [`${says} (${problem})`],
    );
    const out = [...this.#skipped, ...new Set(this.#notes), ...problems];
    if (out.length > 0) parts.push(`left out: ${out.join('; ')}`);
    return parts.join('; ');
  }
}

function methodOf(username: string, credential: Credential, note: (what: string) => void): AnyAuthMethod {
  if ('agentKey' in credential) return { type: 'agent', username, agent: credential.agentKey as unknown as BaseAgent };
  // ssh2 takes a parsed key here, though its types say otherwise; as `privateKey` it does not.
  if ('key' in credential) return { type: 'publickey', username, key: credential.key as unknown as Buffer };
  if (credential.method === 'password') return { type: 'password', username, password: credential.password };
  let answered = false;
  return {
    type: 'keyboard-interactive',
    username,
    prompt: (_name, _instructions, _language, prompts, finish) => {
      // One question for a password is answered, once. One that shows what is typed, or a second one, asks for something
      // else: a code, or the same again because it was wrong.
      const hidden = prompts.filter(({ echo }) => !echo).length;
      const fits = hidden === 1 && !answered;
      if (hidden > 0) answered = true;
      if (!fits && prompts.length > 0) note('keyboard-interactive asks for more than a password');
      finish(prompts.map(({ echo }) => (echo || !fits ? '' : credential.password)));
    },
  };
}
