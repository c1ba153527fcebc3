import { join } from 'node:path';
import type { ParsedKey } from 'ssh2';
import { KeylaneError } from '../../../src/errors.js';
import type { SshTarget } from '../../../src/specs/ssh.js';
import type { Clock } from '../../../src/util/clock.js';
import { type AgentKey, agentKeys } from './agent.js';
import { type AskSecret, type Identities, isMissing } from './identity.js';

/** One thing to try at a log-in, and how to call it in a message. */
export type Credential =
  | { method: 'publickey'; says: string; key: ParsedKey }
  | { method: 'publickey'; says: string; agentKey: AgentKey }
  | { method: 'password' | 'keyboard-interactive'; says: string; password: string };

export interface Credentials {
  /** In the order in which they are tried. */
  list: Credential[];
  /** What was found and could not be used: for the message, if nothing else helps. */
  skipped: string[];
}

/** sshd takes 6 failures, and files come after the agent. */
const MOST_AGENT_KEYS = 5;
const DEFAULT_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/**
 * All that can be tried for a target: the identity that was asked for, or else the agent's keys and then the user's own;
 * then the password. An identity that was asked for and cannot be used rejects with `ERR_INPUT`; the others are skipped.
 */
export async function credentialsOf(
  target: SshTarget,
  identities: Identities,
  secret: AskSecret,
  clock: Clock,
): Promise<Credentials> {
  const found: Credentials = { list: [], skipped: [] };
  if (target.identities) {
    for (const path of target.identities) {
      const key = await identities.read(path, target.passphrase, secret);
      found.list.push({ method: 'publickey', says: `identity ${path}`, key });
    }
  } else {
    if (target.agent !== undefined) await addAgent(target.agent, clock, found);
    if (target.home !== undefined) await addDefaults(target.home, target.passphrase, identities, secret, found);
  }
  if (target.password !== undefined) {
    const password = await secret(target.password);
    found.list.push({ method: 'password', says: 'password', password });
    found.list.push({ method: 'keyboard-interactive', says: 'keyboard-interactive', password });
  }
  return found;
}

async function addAgent(path: string, clock: Clock, found: Credentials): Promise<void> {
  const keys = await agentKeys(path, clock);
  if (keys instanceof Error) {
    found.skipped.push(`the agent (${keys.message})`);
    return;
  }
  for (const agentKey of keys.slice(0, MOST_AGENT_KEYS)) {
    found.list.push({ method: 'publickey', says: `agent key ${agentKey.comment}`, agentKey });
  }
  if (keys.length > MOST_AGENT_KEYS) {
    found.skipped.push(
      `${keys.length - MOST_AGENT_KEYS} of the agent's ${keys.length} keys (too many for a server: name one with \`identity\`)`,
    );
  }
}

async function addDefaults(
  home: string,
  passphrase: string | undefined,
  identities: Identities,
  secret: AskSecret,
  found: Credentials,
): Promise<void> {
  for (const name of DEFAULT_KEYS) {
    const path = join(home, '.ssh', name);
    try {
      const key = await identities.read(path, passphrase, secret);
      found.list.push({ method: 'publickey', says: `identity ${path}`, key });
    } catch (error) {
      if (!(error instanceof KeylaneError)) throw error;
      if (!isMissing(error)) found.skipped.push(error.message.replace('ssh.identity: ', ''));
    }
  }
}
