import { join } from 'node:path';
import type { ParsedKey } from 'ssh2';
import { KeylaneError } from '../../../src/errors.js';
import type { SshTarget } from '../../../src/specs/ssh.js';
import type { Clock } from '../../../src/util/clock.js';
import { Agent, type AgentKey } from './agent.js';
import { type AskSecret, type Identities, type Identity, isMissing, lacksPassphrase, unfit } from './identity.js';
import { whyNotKey } from './key-rules.js';

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
  /** To be ended when the log-in is over. */
  agent: Agent | undefined;
}

/** sshd hangs up at the sixth failure (MaxAuthTries), and counts it as an attack (PerSourcePenalties). */
const MOST_KEYS = 5;
const PASSWORDS = ['password', 'keyboard-interactive'] as const;
const METHODS: readonly string[] = ['publickey', ...PASSWORDS];
const DEFAULT_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

interface Where {
  identities: Identities;
  secret: AskSecret;
  clock: Clock;
  /** Milliseconds that the log-in still has. */
  left: () => number;
}

/**
 * All that can be tried for a target, in ssh's order: the identities that the agent has, the agent's other keys (unless
 * `identitiesOnly`), the other identities; then the password. `methods` may have another order, and leave some out. A sole identity that was asked for and cannot be used
 * rejects with `ERR_INPUT` or `ERR_PASSPHRASE`; any other is skipped with a note.
 */
export async function credentialsOf(target: SshTarget, where: Where): Promise<Credentials> {
  const found: Credentials = { list: [], skipped: [], agent: undefined };
  const { methods = METHODS } = target;
  if (methods.includes('publickey')) await addKeys(target, where, found);
  if (target.password !== undefined && (methods.includes('password') || methods.includes('keyboard-interactive'))) {
    const password = await where.secret(target.password);
    for (const method of PASSWORDS) if (methods.includes(method)) found.list.push({ method, says: method, password });
  }
  const place = ({ method }: Credential) => methods.indexOf(method);
  found.list.sort((one, other) => place(one) - place(other));
  return found;
}

async function addKeys(target: SshTarget, where: Where, found: Credentials): Promise<void> {
  const paths = target.identities ?? DEFAULT_KEYS.map((name) => join(target.home ?? '/', '.ssh', name));
  const files: Identity[] = [];
  for (const path of target.home === undefined && !target.identities ? [] : paths) {
    await note(target, found, async () => void files.push(await where.identities.look(path)));
  }
  const fits = (says: string, key: Buffer) => {
    const why = whyNotKey(key, target);
    if (why !== undefined) found.skipped.push(`${says} (${why})`);
    return why === undefined;
  };
  const inAgent = (await agentKeys(target, found, where)).filter(({ says, publicKey }) => fits(says, publicKey));
  const alone: Identity[] = [];
  for (const identity of files) {
    const { path, publicKey } = identity;
    const at = publicKey ? inAgent.findIndex((key) => key.publicKey.equals(publicKey)) : -1;
    const [agentKey] = at < 0 ? [] : inAgent.splice(at, 1);
    if (agentKey) found.list.push({ method: 'publickey', says: `identity ${path} (in the agent)`, agentKey });
    else alone.push(identity);
  }
  const others = target.identitiesOnly ? [] : inAgent;
  // An agent full of keys for other hosts leaves room for the user's own.
  const room = Math.max(0, MOST_KEYS - found.list.length - alone.length);
  for (const agentKey of others.slice(0, room)) {
    found.list.push({ method: 'publickey', says: agentKey.says, agentKey });
  }
  for (const identity of alone) {
    await note(target, found, async () => {
      const key = await privateKey(identity, target.passphrase, where);
      if (!fits(`identity ${identity.path}`, key.getPublicSSH())) return;
      found.list.push({ method: 'publickey', says: `identity ${identity.path}`, key });
    });
  }
  const left = Math.max(0, others.length - room) + found.list.splice(MOST_KEYS).length;
  if (left > 0) {
    const all = left + found.list.length;
    found.skipped.push(`${left} of ${all} keys (too many keys for a server: name one with \`identity\`)`);
  }
}

async function agentKeys({ agent: path }: SshTarget, found: Credentials, { clock, left }: Where): Promise<AgentKey[]> {
  if (path === undefined) return [];
  const agent = new Agent(path, clock, left);
  found.agent = agent;
  const { keys, skipped } = await agent.keys();
  if (agent.lost !== undefined) found.skipped.push(`the agent (${agent.lost})`);
  found.skipped.push(...skipped);
  return keys;
}

async function privateKey(
  { file, ...identity }: Identity,
  passphrase: string | undefined,
  where: Where,
): Promise<ParsedKey> {
  const { path } = identity;
  if (file.holds === 'private') return file.key;
  if (file.holds === 'public') {
    throw unfit(path, 'it is a public key, and the agent does not have the private one; name that');
  }
  if (passphrase !== undefined) return where.identities.unlock({ file, ...identity }, passphrase, where.secret);
  throw lacksPassphrase(path);
}

/** Of one identity among several, what is wrong is a note; of the only one that was asked for it is the answer. */
async function note({ identities }: SshTarget, found: Credentials, use: () => Promise<void>): Promise<void> {
  try {
    await use();
  } catch (error) {
    if (!(error instanceof KeylaneError) || identities?.length === 1) throw error;
    // Of the usual names most are not there.
    if (identities || !isMissing(error)) found.skipped.push(error.message.replace('ssh.identity: ', ''));
  }
}
