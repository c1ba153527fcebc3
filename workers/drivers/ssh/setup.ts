import type { KeylaneError } from '../../../src/errors.js';
import type { ExecOrder } from '../../../src/specs/ssh.js';
import { envRefused, ptyRefused } from './session-errors.js';
import type { SessionHost } from './session-host.js';
import type { Transport } from './transport.js';

/** Asks for what the command needs; undefined where no answer is to be waited for. */
export function askFirst(
  order: ExecOrder,
  { transport, key, forwardAgent }: Pick<SessionHost, 'transport' | 'key' | 'forwardAgent'>,
  channel: number,
): Setup | undefined {
  if (!forwardAgent && !order.env && !order.wishedEnv && !order.pty) return undefined;
  const setup = new Setup(order, key);
  return setup.ask(transport, channel, forwardAgent) ? setup : undefined;
}

/** What a channel is asked before its command: variables and a terminal (RFC 4254, 6.2 and 6.4). */
export class Setup {
  readonly #order: ExecOrder;
  readonly #key: string;
  /** What is not yet answered, in its order: the error of a refusal. */
  readonly #open: (() => KeylaneError)[] = [];

  constructor(order: ExecOrder, key: string) {
    this.#order = order;
    this.#key = key;
  }

  /** True if answers are waited for. */
  ask(transport: Transport, channel: number, forwardAgent: boolean): boolean {
    const { env = {}, wishedEnv = {}, pty } = this.#order;
    // As ssh does, without asking whether the server will: there the command says what it misses.
    if (forwardAgent) transport.openssh_agentForward(channel, false);
    for (const [name, value] of Object.entries(wishedEnv)) {
      // A server that refuses one says so only if it is asked to.
      if (!Object.hasOwn(env, name)) transport.env(channel, name, value, false);
    }
    for (const [name, value] of Object.entries(env)) {
      this.#open.push(() => envRefused(this.#key, name));
      transport.env(channel, name, value, true);
    }
    if (pty) {
      this.#open.push(() => ptyRefused(this.#key));
      transport.pty(channel, pty.rows, pty.columns, 0, 0, pty.term, undefined, true);
    }
    return this.#open.length > 0;
  }

  /** The answer to the longest open question: an error, or whether it was the last. */
  answered(ok: boolean): KeylaneError | 'waiting' | 'done' {
    const refused = this.#open.shift();
    if (!ok && refused) return refused();
    return this.#open.length > 0 ? 'waiting' : 'done';
  }
}
