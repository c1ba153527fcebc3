import { KeylaneError } from '../../errors.js';
import { userProblem } from '../../util/names.js';
import { parseHost } from '../hosts.js';
import { BadEntry, shown } from './mistakes.js';
import { guardValue, isReference } from './secrets.js';

/** The fields of a host that variables give. */
export interface Access {
  host?: string;
  port?: number;
  user?: string;
  identity?: string;
  password?: string;
}

interface Meaning {
  field: keyof Access;
  read(value: unknown): Access[keyof Access];
}

const HOST: Meaning = { field: 'host', read: readHost };
const PORT: Meaning = { field: 'port', read: readPort };
const USER: Meaning = { field: 'user', read: readUser };
const IDENTITY: Meaning = { field: 'identity', read: readIdentity };
const PASSWORD: Meaning = { field: 'password', read: readPassword };

/** The variables of Ansible that say how to connect; of two for the same the later counts, as for its `ssh` connection. */
const MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ['ansible_host', HOST],
  ['ansible_ssh_host', HOST],
  ['ansible_port', PORT],
  ['ansible_ssh_port', PORT],
  ['ansible_user', USER],
  ['ansible_ssh_user', USER],
  ['ansible_private_key_file', IDENTITY],
  ['ansible_ssh_private_key_file', IDENTITY],
  ['ansible_password', PASSWORD],
  ['ansible_ssh_pass', PASSWORD],
  ['ansible_ssh_password', PASSWORD],
]);

/** Variables that say how to connect and that keylane does not follow, and what does the same. */
const NOT_FOLLOWED: Readonly<Record<string, string>> = {
  ansible_ssh_common_args: 'write ProxyJump and the like into ssh_config',
  ansible_ssh_extra_args: 'write options into ssh_config',
  ansible_ssh_args: 'write options into ssh_config',
};
const BY_SSH: ReadonlySet<unknown> = new Set(['ssh', 'smart', 'paramiko', 'paramiko_ssh', 'ansible.builtin.ssh']);

/** The variable with the labels of a host. */
export const LABELS = 'keylane_labels';

/**
 * Looks at a variable before it is taken: no secret in clear, and what says how to connect can be followed. Returns a
 * warning where it is not followed.
 */
export function checkVariable(name: string, value: unknown): string | undefined {
  if (name === '' || /[\p{Cc}\ufffd]/u.test(name)) throw new BadEntry('expected the name of a variable before "="');
  guardValue(name, value);
  if (!name.startsWith('ansible_')) {
    if (name === LABELS) readLabels(value);
    return undefined;
  }
  if (value !== null) MEANINGS.get(name)?.read(value);
  const instead = NOT_FOLLOWED[name];
  if (instead !== undefined && value !== '' && value !== null) return `${name} is not followed: ${instead}`;
  if (name === 'ansible_connection' && !BY_SSH.has(value))
    return 'ansible_connection is not followed: keylane connects by SSH';
  return undefined;
}

export function isPasswordReference(name: string, value: unknown): boolean {
  return MEANINGS.get(name) === PASSWORD && readPassword(value) !== undefined;
}

/** Those of the variables that say how to connect. */
export function sayingIn(variables: ReadonlyMap<string, unknown>): [string, unknown][] {
  if (variables.size === 0) return [];
  const saying: [string, unknown][] = [];
  for (const name of MEANINGS.keys()) if (variables.has(name)) saying.push([name, variables.get(name)]);
  return saying;
}

/** What variables say of how to connect. */
export function accessIn(variables: ReadonlyMap<string, unknown>): Access {
  const access: Record<string, unknown> = {};
  if (variables.size === 0) return access;
  for (const [name, { field, read }] of MEANINGS) {
    const value = variables.get(name);
    const found = value === undefined || value === null ? undefined : read(value);
    if (found !== undefined) access[field] = found;
  }
  return access;
}

export function readLabels(value: unknown): string[] {
  const list = typeof value === 'string' ? value.split(/[\s,]+/).filter((label) => label !== '') : value;
  const good = Array.isArray(list) && list.every((label) => typeof label === 'string' && label !== '');
  if (!good) throw new BadEntry(`expected labels as a text or a list of texts in ${LABELS}`);
  return list as string[];
}

function readHost(value: unknown): string {
  const text = readText('a host name or an address', value);
  try {
    const { host, user, port } = parseHost(text);
    if (user === undefined && port === undefined) return host;
  } catch (error) {
    if (!(error instanceof KeylaneError)) throw error;
    throw new BadEntry(error.message);
  }
  throw new BadEntry(`expected a host name or an address alone, not ${shown(text)}`);
}

function readPort(value: unknown): number {
  const isWhole = typeof value === 'number' ? Number.isInteger(value) : /^\d{1,5}$/.test(readText('a port', value));
  const port = isWhole ? Number(value) : 0;
  if (port < 1 || port > 65_535) throw new BadEntry('expected a port from 1 to 65535');
  return port;
}

function readUser(value: unknown): string {
  const text = readText('a user', typeof value === 'number' ? String(value) : value);
  const problem = userProblem(text);
  if (problem !== undefined) throw new BadEntry(problem);
  return text;
}

function readIdentity(value: unknown): string {
  const text = readText("a private key's path", value);
  if (/\p{Cc}/u.test(text)) throw new BadEntry("expected a private key's path without control characters");
  return text;
}

function readText(what: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new BadEntry(`expected ${what}`);
  if (value.includes('{{')) {
    throw new BadEntry(`expected ${what}, not a template, which keylane does not fill in`, 'ERR_CONFIG_UNSUPPORTED');
  }
  return value;
}

/** What is no reference is a template, or encrypted: it has been looked at, and says nothing here. */
function readPassword(value: unknown): string | undefined {
  return isReference(value) && !value.startsWith('cmd:') ? value : undefined;
}
