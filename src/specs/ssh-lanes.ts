import { homedir, userInfo } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import type { z } from 'zod';
import { laneOf } from '../routing.js';
import type { SSH_DEFAULTS, SshOptions, SshTarget } from './ssh.js';
import { hostOf } from './ssh-names.js';
import type { sshRequest } from './ssh-schema.js';

interface Lane {
  key: string;
  lane: string;
  target: SshTarget;
}

type Who = Pick<
  z.output<typeof sshRequest>,
  'host' | 'port' | 'user' | 'identity' | 'passphrase' | 'password' | 'knownHosts' | 'hostKeys'
>;
type Defaults = SshOptions & Required<Pick<SshOptions, keyof typeof SSH_DEFAULTS>>;

/**
 * Takes a request's who and where apart, and remembers the answers: sorting and printing a target as JSON costs as much
 * as all else of `parse`, and a fleet asks for the same few lanes again and again.
 */
export class Lanes {
  readonly #defaults: Defaults;
  readonly #known = new Map<string, Lane>();
  #user: string | undefined = undefined;

  constructor(defaults: Defaults) {
    this.#defaults = defaults;
  }

  of(who: Who): Lane {
    const agent = process.env.SSH_AUTH_SOCK ?? '';
    // NUL is in none of these.
    const name = `${who.host}\0${who.port ?? ''}\0${who.user ?? ''}\0${who.identity ?? ''}\0${who.passphrase ?? ''}\0${who.password ?? ''}\0${who.knownHosts ?? ''}\0${who.hostKeys ?? ''}\0${agent}`;
    const known = this.#known.get(name);
    if (known) return known;
    const lane = this.#make(who, agent);
    if (this.#known.size >= LANES_KEPT) this.#known.clear();
    this.#known.set(name, lane);
    return lane;
  }

  #make(who: Who, agent: string): Lane {
    const defaults = this.#defaults;
    const identity = who.identity ?? defaults.identity;
    const passphrase = who.passphrase ?? defaults.passphrase;
    const password = who.password ?? defaults.password;
    const knownHosts = who.knownHosts ?? defaults.knownHosts;
    const home = homedir();
    const target: SshTarget = {
      host: hostOf(who.host),
      port: who.port ?? defaults.port,
      user: who.user ?? defaults.user ?? this.#ownUser(),
      hostKeys: who.hostKeys ?? defaults.hostKeys,
      keepaliveMs: defaults.keepaliveMs,
      connectTimeoutMs: defaults.connectTimeoutMs,
      streams: defaults.streams,
    };
    if (identity !== undefined) target.identity = absolute(identity, home);
    else if (agent !== '') target.agent = agent;
    if (passphrase !== undefined) target.passphrase = passphrase;
    if (password !== undefined) target.password = password;
    if (knownHosts !== undefined) target.knownHosts = absolute(knownHosts, home);
    if (identity === undefined || knownHosts === undefined) target.home = home;
    const key = target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
    return { key, lane: laneOf(key, target), target };
  }

  #ownUser(): string {
    this.#user ??= userInfo().username;
    return this.#user;
  }
}

/** A fleet of 10,000 hosts under a few users fits; a caller that makes up lanes without end costs 30 MB at most. */
const LANES_KEPT = 32_768;

/** A shard has the same working directory, but what is in a lane must mean one file for ever. */
function absolute(path: string, home: string): string {
  if (path.startsWith('~/')) return `${home}/${path.slice(2)}`;
  return isAbsolute(path) ? path : resolve(path);
}
