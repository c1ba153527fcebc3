import { isIP } from 'node:net';
import { KeylaneError } from '../errors.js';
import type { HostKeys, SshAccess, SshAlgorithms } from '../ssh-types.js';
import { applyAlgorithms } from '../targets/ssh-config/algorithms.js';
import type { ResolvedConfig } from '../targets/ssh-config/resolved.js';
import type { Found } from '../targets/ssh-config/types.js';
import { userProblem } from '../util/names.js';
import { aliasProblem, hostProblem } from './ssh-names.js';

/** What ssh_config says of one host, in our words: the defaults of what nobody else says. */
export interface Configured extends Omit<SshAccess, 'methods'> {
  /** Tells it from every other, and from what it was before a file changed. */
  readonly id: number;
  readonly hostName: string;
  readonly keepaliveMs?: number;
  readonly keepaliveCount?: number;
  readonly connectTimeoutMs?: number;
  /** What a command is to find in its environment, as far as the server lets it. */
  readonly wishedEnv?: Readonly<Record<string, string>>;
  /** Ways to log in, those of the system's ssh among them. */
  readonly methods?: readonly string[];
  readonly requiredRsaBits?: number;
  readonly pubkeyAlgorithms?: readonly string[];
  /** How often a TCP connection is tried. */
  readonly attempts?: number;
  /** Commands get a terminal, unless their request says otherwise. */
  readonly pty?: true;
  /** The first thing that only the system's ssh can do; it decides where `transport` is `auto`. */
  readonly needsOpenSsh: Found | undefined;
}

const KNOWN = new WeakMap<ResolvedConfig, Configured>();
let lastId = 0;

/**
 * Of what a host's files say, that which they do say: OpenSSH's defaults are not ours.
 *
 * Throws `ERR_CONFIG_UNSUPPORTED` that names directive, file and line where nothing here can do it, or where it would run
 * a command and `allowExec` is not set.
 */
export function configuredOf(config: ResolvedConfig, allowExec: boolean): Configured {
  const known = KNOWN.get(config);
  if (known) return known;
  const [unsupported] = config.unsupported;
  if (unsupported) throw refused(unsupported, unsupported.why);
  const runs = config.needsOpenSsh.find(({ directive }) => RUNS_A_COMMAND.has(directive.toLowerCase()));
  if (runs && !allowExec) throw refused(runs, 'it runs a command; set `ssh.allowExec` (--allow-exec) if you trust it');
  const made = make(config);
  KNOWN.set(config, made);
  return made;
}

/** These run a command of the file's on this machine. */
const RUNS_A_COMMAND: ReadonlySet<string> = new Set(['proxycommand', 'knownhostscommand']);

function make(config: ResolvedConfig): Configured {
  refuseNames(config);
  const says = (keyword: string) => config.where(keyword) !== undefined;
  const wishedEnv = environmentOf(config);
  const algorithms = algorithmsOf(config);
  const agent = config.identityAgent;
  const methods = methodsOf(config);
  const accepted = config.pubkeyAcceptedAlgorithms;
  const bind = config.bindAddress;
  return {
    id: ++lastId,
    hostName: config.hostName,
    needsOpenSsh: config.needsOpenSsh[0] ?? unboundable(config),
    ...(config.user !== undefined && { user: config.user }),
    ...(config.port !== undefined && { port: config.port }),
    ...(methods && { methods }),
    ...(says('requiredrsasize') && { requiredRsaBits: config.requiredRsaSize }),
    ...(accepted !== undefined && { pubkeyAlgorithms: applyAlgorithms(accepted, SIGNATURES, SIGNATURES) }),
    ...(says('connectionattempts') && { attempts: config.connectionAttempts }),
    ...(config.requestTTY === 'force' && { pty: true as const }),
    ...(says('identityfile') && { identity: config.identityFiles, identitiesOnly: config.identitiesOnly }),
    ...(says('identitiesonly') && { identitiesOnly: config.identitiesOnly }),
    ...(says('identityagent') && agent !== undefined && { agent: agentOf(agent) }),
    ...(config.forwardAgent !== false && { forwardAgent: forwarded(config.forwardAgent) }),
    ...((says('userknownhostsfile') || says('globalknownhostsfile')) && {
      knownHosts: [...config.userKnownHostsFiles, ...config.globalKnownHostsFiles].filter((path) => path !== 'none'),
    }),
    ...(says('stricthostkeychecking') && { hostKeys: hostKeysOf(config) }),
    ...(says('hostkeyalias') && config.hostKeyAlias !== undefined && { hostKeyAlias: config.hostKeyAlias }),
    ...(says('hashknownhosts') && { hashKnownHosts: config.hashKnownHosts }),
    ...(algorithms && { algorithms }),
    ...(bind !== undefined && isIP(bind) !== 0 && { bindAddress: bind }),
    ...(says('addressfamily') && { addressFamily: config.addressFamily }),
    ...(config.connectTimeoutMs && { connectTimeoutMs: config.connectTimeoutMs }),
    ...(says('serveraliveinterval') && { keepaliveMs: config.serverAliveIntervalMs }),
    ...(says('serveralivecountmax') && { keepaliveCount: Math.max(1, config.serverAliveCountMax) }),
    ...(wishedEnv && { wishedEnv }),
  };
}

/** Names from a file are no better than those of a request. */
function refuseNames(config: ResolvedConfig): void {
  const { hostName, user, hostKeyAlias: alias } = config;
  const problems = [
    ['hostname', hostProblem(hostName)],
    ['user', user === undefined ? undefined : userProblem(user)],
    ['hostkeyalias', alias === undefined ? undefined : aliasProblem(alias)],
  ] as const;
  for (const [keyword, problem] of problems) {
    if (problem === undefined) continue;
    const { file, line } = config.where(keyword) ?? { file: 'ssh_config', line: 0 };
    throw new KeylaneError('ERR_CONFIG', `${file}:${line}: ${config.query.host}: ${problem}`);
  }
}

/** What our keys sign with. A list that adds to ssh's defaults takes none of these away. */
const SIGNATURES = [
  ...['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ...['rsa-sha2-256', 'rsa-sha2-512'],
];

/** In the order in which they are tried where no file says one. Those that a file has off are left out. */
const METHODS = ['gssapi-with-mic', 'hostbased', 'publickey', 'password', 'keyboard-interactive'];
const METHOD_KEYWORDS = ['pubkeyauthentication', 'passwordauthentication', 'kbdinteractiveauthentication'];

function methodsOf(config: ResolvedConfig): string[] | undefined {
  const keywords = ['preferredauthentications', 'numberofpasswordprompts', ...METHOD_KEYWORDS];
  if (!keywords.some((keyword) => config.where(keyword))) return undefined;
  const asks = config.numberOfPasswordPrompts > 0;
  const off: Readonly<Record<string, boolean>> = {
    publickey: !config.pubkeyAuthentication,
    password: !config.passwordAuthentication || !asks,
    'keyboard-interactive': !config.kbdInteractiveAuthentication || !asks,
  };
  // A name that ssh does not know is passed over, as ssh does.
  const wanted = new Set(config.preferredAuthentications ?? METHODS);
  return [...wanted].filter((method) => METHODS.includes(method) && !off[method]);
}

/** A person is asked only where BatchMode is off. */
function hostKeysOf(config: ResolvedConfig): HostKeys {
  const says = HOST_KEYS[config.strictHostKeyChecking];
  return says === 'ask' && config.batchMode ? 'strict' : says;
}

/** A variable that is not set forwards nothing. */
function forwarded(agent: true | string): boolean | string {
  const path = agent === true || agentOf(agent);
  return path !== 'none' && path;
}

const HOST_KEYS = { yes: 'strict', 'accept-new': 'accept-new', ask: 'ask', no: 'insecure' } as const;

function algorithmsOf(config: ResolvedConfig): SshAlgorithms | undefined {
  const found: SshAlgorithms = {};
  if (config.where('kexalgorithms') && config.kexAlgorithms) found.kex = config.kexAlgorithms;
  if (config.where('ciphers') && config.ciphers) found.ciphers = config.ciphers;
  if (config.where('macs') && config.macs) found.macs = config.macs;
  if (config.where('hostkeyalgorithms') && config.hostKeyAlgorithms) found.hostKeys = config.hostKeyAlgorithms;
  return Object.keys(found).length > 0 ? found : undefined;
}

/** `$NAME` and `SSH_AUTH_SOCK` are variables of ours. */
function agentOf(agent: string): string {
  if (agent === 'SSH_AUTH_SOCK') return process.env.SSH_AUTH_SOCK ?? 'none';
  return agent.startsWith('$') ? (process.env[agent.slice(1)] ?? 'none') : agent;
}

/** SetEnv goes before SendEnv. */
function environmentOf(config: ResolvedConfig): Record<string, string> | undefined {
  const sent = config.sendEnv.map(matcher);
  const ours = Object.entries(process.env).filter(([name]) => sent.some((matches) => matches(name)));
  const all = { ...Object.fromEntries(ours as [string, string][]), ...config.setEnv };
  return Object.keys(all).length > 0 ? all : undefined;
}

/** `LC_*`: `*` is any text, `?` one character. */
function matcher(pattern: string): (name: string) => boolean {
  const parts = pattern
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replaceAll('?', '.');
  const expression = new RegExp(`^${parts}$`);
  return (name) => expression.test(name);
}

/** ssh looks a name up; ours takes an address of this machine. */
function unboundable(config: ResolvedConfig): Found | undefined {
  const { bindAddress: value } = config;
  if (value === undefined || isIP(value) !== 0) return undefined;
  const place = config.where('bindaddress') ?? { file: 'ssh_config', line: 0 };
  return { directive: 'BindAddress', value, ...place, why: 'a name is not looked up for it' };
}

function refused({ directive, value, file, line }: Found, why: string): KeylaneError {
  return new KeylaneError('ERR_CONFIG_UNSUPPORTED', `${file}:${line}: ${directive} ${value}: ${why}`);
}
