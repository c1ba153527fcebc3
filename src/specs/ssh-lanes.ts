import { homedir, userInfo } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import { KeylaneError } from '../errors.js';
import { laneOf } from '../routing.js';
import type { SshAccess, SshRequest, SshTransport } from '../ssh-types.js';
import type { Found } from '../targets/ssh-config/types.js';
import { notice } from '../util/notice.js';
import type { SshOptions, SshTarget } from './ssh.js';
import type { Configured } from './ssh-configured.js';
import { SSH_DEFAULTS } from './ssh-defaults.js';
import { hostOf } from './ssh-names.js';
import type { Route } from './ssh-route.js';

/** The part of a request that says how its host is reached. */
export function accessOf(request: SshRequest): Stop {
  const { host, port, user, identity, passphrase, password, knownHosts, hostKeys } = request;
  const access: Stop = { host, port, user, identity, passphrase, password, knownHosts, hostKeys } as Stop;
  for (const field of RARE) if (request[field] !== undefined) Object.assign(access, { [field]: request[field] });
  return access;
}

const RARE = [
  'identitiesOnly',
  'agent',
  'forwardAgent',
  'methods',
  'hostKeyAlias',
  'hashKnownHosts',
  'algorithms',
  'bindAddress',
  'addressFamily',
  'transport',
] as const satisfies readonly (keyof SshAccess)[];

interface Lane {
  key: string;
  lane: string;
  target: SshTarget;
}

/** One host of the way to a request's: the last one is the request's own. */
export type Stop = SshAccess & { host: string; configured?: Configured };

/**
 * Makes a target of who and where, and remembers the answers: sorting and printing a target as JSON costs as much as all
 * else of `parse`, and a fleet asks for the same few lanes again and again.
 */
export class Lanes {
  readonly #options: SshOptions;
  readonly #known = new Map<string, Lane>();
  #user: string | undefined = undefined;

  constructor(options: SshOptions) {
    this.#options = options;
  }

  /** Of the request's host, behind the hops on its way. */
  of({ host, hops }: Route): Lane {
    const agent = process.env.SSH_AUTH_SOCK ?? '';
    const name = nameOf(host, hops, agent);
    const known = this.#known.get(name);
    if (known) return known;
    const lane = this.#make(host, hops, agent);
    if (this.#known.size >= LANES_KEPT) this.#known.clear();
    this.#known.set(name, lane);
    return lane;
  }

  #make(host: Stop, hops: readonly Stop[], agent: string): Lane {
    const {
      user: _user,
      port: _port,
      password: _password,
      hostKeyAlias: _alias,
      forwardAgent: _forward,
      ...ofHops
    } = this.#options;
    let jump: SshTarget | undefined;
    for (const hop of hops) jump = { ...this.#target(hop, ofHops, agent, jump), streams: TUNNELS };
    const target = this.#target(host, this.#options, agent, jump);
    const key = keyOf(firstHop(target));
    return { key, lane: laneOf(key, target), target };
  }

  /** The lane of a probe: where the system's `ssh` has the connection, only a new one tells how it came to be. */
  told({ key, lane, target }: Lane): Lane {
    if (target.transport !== 'openssh') return { key, lane, target };
    const told: SshTarget = { ...target, told: true };
    return { key, lane: laneOf(key, told), target: told };
  }

  /** Request > engine > ssh_config > defaults. */
  #target(stop: Stop, options: SshOptions, agent: string, jump: SshTarget | undefined): SshTarget {
    const { configured } = stop;
    const who = { ...SSH_DEFAULTS, ...configured, ...defined(options), ...defined(stop) };
    const { identity, knownHosts, passphrase, password, hostKeyAlias, algorithms, bindAddress, addressFamily } = who;
    const home = homedir();
    const target: SshTarget = {
      host: hostOf(configured?.hostName ?? stop.host),
      port: who.port,
      user: who.user ?? this.#ownUser(),
      hostKeys: who.hostKeys,
      identitiesOnly: who.identitiesOnly ?? identity !== undefined,
      transport: transportOf(who.transport, configured?.needsOpenSsh, stop.host),
      keepaliveMs: who.keepaliveMs,
      keepaliveCount: who.keepaliveCount,
      connectTimeoutMs: who.connectTimeoutMs,
      streams: who.streams,
    };
    const socket = who.agent ?? agent;
    if (socket !== '' && socket !== 'none') target.agent = absolute(socket, home);
    const forwarded = who.forwardAgent === true ? target.agent : who.forwardAgent;
    if (forwarded) target.forwardAgent = absolute(forwarded, home);
    if (who.methods !== undefined) target.methods = who.methods;
    if (who.attempts !== undefined && who.attempts > 1) target.attempts = who.attempts;
    if (who.requiredRsaBits !== undefined) target.requiredRsaBits = who.requiredRsaBits;
    if (who.pubkeyAlgorithms !== undefined) target.pubkeyAlgorithms = who.pubkeyAlgorithms;
    if (identity !== undefined) target.identities = list(identity).map((path) => absolute(path, home));
    if (passphrase !== undefined) target.passphrase = passphrase;
    if (password !== undefined) target.password = password;
    if (knownHosts !== undefined) target.knownHosts = list(knownHosts).map((path) => absolute(path, home));
    if (hostKeyAlias !== undefined) target.hostKeyAlias = hostKeyAlias;
    if (who.hashKnownHosts) target.hashKnownHosts = true;
    if (algorithms !== undefined) target.algorithms = algorithms;
    if (bindAddress !== undefined) target.bindAddress = bindAddress;
    if (addressFamily !== undefined && addressFamily !== 'any') target.addressFamily = addressFamily;
    if (identity === undefined || knownHosts === undefined) target.home = home;
    if (target.transport === 'openssh') {
      const { config = false } = options;
      target.openSsh = {
        alias: stop.host,
        config: config === true ? 'default' : config === false ? 'none' : absolute(config, homedir()),
      };
    }
    if (jump !== undefined) target.jump = jump;
    return target;
  }

  #ownUser(): string {
    this.#user ??= userInfo().username;
    return this.#user;
  }
}

/** A fleet of 10,000 hosts under a few users fits; a caller that makes up lanes without end costs 30 MB at most. */
const LANES_KEPT = 32_768;
/**
 * Hosts behind one connection to a hop. sshd's MaxSessions counts no forwarded connections, so this is ours: a bound on
 * what one lost connection can cost.
 */
const TUNNELS = 250;

/** Tells requests for the same lane, at a glance: the usual fields without a look at the others. */
function nameOf(host: Stop, hops: readonly Stop[], agent: string): string {
  const { host: name, port, user, identity, passphrase, password, knownHosts, hostKeys, configured, ...others } = host;
  // NUL is in none of these, and no list is a text that begins with [".
  let text = `${name}\0${port ?? ''}\0${user ?? ''}\0${textOf(identity)}\0${passphrase ?? ''}\0${password ?? ''}\0${textOf(knownHosts)}\0${hostKeys ?? ''}\0${agent}`;
  for (const other in others) {
    const value = others[other as keyof typeof others];
    if (value !== undefined) text += `\0${other}\0${JSON.stringify(value)}`;
  }
  if (configured) text += `\0#${configured.id}`;
  return hops.length === 0 ? text : `${text}\0${JSON.stringify(hops)}`;
}

/** Which transport; where ours cannot do what the files ask for, and nobody allowed another, it fails with the reason. */
function transportOf(asked: SshTransport | undefined, needs: Found | undefined, host: string): 'ssh2' | 'openssh' {
  if (asked === 'openssh') return 'openssh';
  if (!needs) return 'ssh2';
  const { directive, value, file, line, why } = needs;
  const what = `${file}:${line}: ${directive} ${value}: ${why}`;
  if (asked === 'auto') {
    notice(`${host} goes by the system's ssh (transport openssh): ${what}`);
    return 'openssh';
  }
  const fix = "only the system's ssh does it: set `transport` to `openssh` or `auto`";
  throw new KeylaneError('ERR_CONFIG_UNSUPPORTED', `${what}; ${fix}`);
}

function textOf(value: string | readonly string[] | undefined): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Where the way begins. A host that is on it twice is a loop: in a configuration it would never end. */
function firstHop(target: SshTarget): SshTarget {
  const seen = new Set<string>();
  for (let at = target; ; at = at.jump) {
    const name = keyOf(at);
    if (seen.has(name)) {
      throw new KeylaneError('ERR_INPUT', `ssh.jump: ${name} is on the way to ${keyOf(target)} twice; leave one out`);
    }
    seen.add(name);
    if (!at.jump) return at;
  }
}

function keyOf({ host, port }: SshTarget): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function list(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value;
}

function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

/** A shard has the same working directory, but what is in a lane must mean one file for ever. */
function absolute(path: string, home: string): string {
  if (path.startsWith('~/')) return `${home}/${path.slice(2)}`;
  return isAbsolute(path) ? path : resolve(path);
}
