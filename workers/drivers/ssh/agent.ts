import {
  BaseAgent,
  createAgent,
  type IdentityCallback,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
} from 'ssh2';
import type { Clock } from '../../../src/util/clock.js';
import { deferred } from '../../../src/util/deferred.js';

/** An agent that does not answer is left aside: it must not use up the time of the log-in. */
const LIST_MS = 2_000;

/** Keys of the agent behind a socket, in its order; an Error where it does not give them. Never rejects. */
export async function agentKeys(path: string, clock: Clock): Promise<AgentKey[] | Error> {
  const agent = createAgent(path) as BaseAgent<ParsedKey>;
  const { promise, resolve } = deferred<AgentKey[] | Error>();
  const timer = clock.timer(LIST_MS, () => resolve(new Error(`no answer from ${path}`)));
  // Certificates and keys on tokens (`sk-…`) are none that ssh2 can read, and are left out by it.
  agent.getIdentities((error, keys) =>
    resolve(error ?? (keys ?? []).map((key) => new AgentKey(agent, key as ParsedKey))),
  );
  const listed = await promise;
  timer.cancel();
  return listed;
}

/**
 * One key of an agent, as an agent of its own: ssh2 walks through all keys of an agent without a look at what the
 * server says in between, a partial success included.
 */
export class AgentKey extends BaseAgent<ParsedKey> {
  readonly comment: string;
  readonly #agent: BaseAgent<ParsedKey>;
  readonly #key: ParsedKey;

  constructor(agent: BaseAgent<ParsedKey>, key: ParsedKey) {
    super();
    this.#agent = agent;
    this.#key = key;
    this.comment = key.comment || key.type;
  }

  override getIdentities(call: IdentityCallback<ParsedKey>): void {
    call(undefined, [this.#key]);
  }

  override sign(
    key: ParsedKey,
    data: Buffer,
    options: SigningRequestOptions | SignCallback,
    call?: SignCallback,
  ): void {
    if (typeof options === 'function') this.#agent.sign(key, data, options);
    else this.#agent.sign(key, data, options, call);
  }
}
