import { type AlgorithmKind, wrongAlgorithm } from './algorithms.js';
import { expandNames, parseForward } from './forwards.js';
import { parseJumps } from './jumps.js';
import type { Joins } from './types.js';
import {
  BadValue,
  chosen,
  domain,
  escapeChar,
  filled,
  only,
  opening,
  scaled,
  seconds,
  service,
  tunnel,
  whole,
} from './values.js';

/** What a line gives: values in the spelling of `ssh -G`, of its own keyword unless another is named. Without values it sets nothing. */
export interface Value {
  readonly keyword?: string;
  readonly values: readonly string[];
  readonly joins?: Joins;
}

export interface Keyword {
  readonly name: string;
  /** Reads the arguments: split into words, and as they are written. */
  readonly read: (words: readonly string[], text: string) => Value | readonly Value[];
  readonly joins: Joins;
}

type Read = (words: readonly string[], text: string) => readonly string[];

const FLAG = { true: 'yes', false: 'no', yes: 'yes', no: 'no' };
/** Options of more than two states: ssh prints the first of its own spellings. */
const STATES = { true: 'true', false: 'false', yes: 'true', no: 'false' };
const ASK = { ...STATES, ask: 'ask' };
const LEVELS = ['QUIET', 'SILENT', 'FATAL', 'ERROR', 'INFO', 'VERBOSE', 'DEBUG', 'DEBUG1', 'DEBUG2', 'DEBUG3'];
const FACILITIES = ['DAEMON', 'USER', 'AUTH', 'AUTHPRIV', ...[0, 1, 2, 3, 4, 5, 6, 7].map((n) => `LOCAL${n}`)];
/** ssh takes no more known_hosts files, host suffixes, or rules of one kind. */
const MOST_ENTRIES = 32;

const flag = choice(FLAG);
const text: Read = (words) => [only(words)];
/** The rest of the line with its quotes: a shell's business. */
const command: Read = (_words, line) => [line.replace(/^[ \t\r\n=]+/, '')];
const integer: Read = (words) => [String(whole(only(words)))];
/** `none` sets nothing, so that a later value counts. */
const time: Read = (words) => (only(words) === 'none' ? [] : [String(seconds(only(words)))]);
/** Read by newer versions or for other systems; nothing here looks at the value. */
const anything: Read = (_words, line) => [line];

/** Every keyword that OpenSSH 9.2 to 10.5 and Debian's patches of it know. A name after the first is an alias. */
const TABLE: readonly (readonly [names: string, read: Read, joins?: Joins])[] = [
  ['AddKeysToAgent', addKeys],
  ['AddressFamily', choice({ inet: 'inet', inet6: 'inet6', any: 'any' })],
  ['BatchMode', flag],
  ['BindAddress', text],
  ['BindInterface', text],
  ['CanonicalDomains', listOf(domain)],
  ['CanonicalizeFallbackLocal', flag],
  ['CanonicalizeHostname', choice({ ...STATES, always: 'always' })],
  ['CanonicalizeMaxDots', integer],
  ['CanonicalizePermittedCNAMEs', listOf(cnameRule)],
  ['CASignatureAlgorithms', algorithms('key')],
  ['CertificateFile', text, 'identity'],
  ['ChannelTimeout', anything],
  ['CheckHostIP', flag],
  ['Ciphers', algorithms('cipher')],
  ['ClearAllForwardings', flag],
  ['Compression', choice({ yes: 'yes', no: 'no' })],
  ['ConnectionAttempts', integer],
  ['ConnectTimeout', time],
  ['ControlMaster', choice({ ...STATES, auto: 'auto', ask: 'ask', autoask: 'autoask' })],
  ['ControlPath', text],
  ['ControlPersist', persist],
  ['EnableEscapeCommandline', flag],
  ['EnableSSHKeysign', flag],
  ['EscapeChar', (words) => [escapeChar(only(words))]],
  ['ExitOnForwardFailure', flag],
  ['FingerprintHash', choice({ md5: 'MD5', sha1: 'SHA1', sha256: 'SHA256', sha384: 'SHA384', sha512: 'SHA512' })],
  ['ForkAfterAuthentication', flag],
  ['ForwardX11', flag],
  ['ForwardX11Timeout', time],
  ['ForwardX11Trusted', flag],
  ['GatewayPorts', flag],
  ['GlobalKnownHostsFile', listOf((word) => word)],
  ['GSSAPIAuthentication', flag],
  ['GSSAPIClientIdentity', text],
  ['GSSAPIDelegateCredentials', flag],
  ['GSSAPIKeyExchange', flag],
  ['GSSAPIKexAlgorithms', text],
  ['GSSAPIRenewalForcesRekey', flag],
  ['GSSAPIServerIdentity', text],
  ['GSSAPITrustDns', flag],
  ['HashKnownHosts', flag],
  ['HostbasedAcceptedAlgorithms HostbasedKeyTypes', algorithms('key')],
  ['HostbasedAuthentication', flag],
  ['HostKeyAlgorithms', algorithms('key')],
  ['HostKeyAlias', text],
  ['HostName', text],
  ['IdentitiesOnly', flag],
  ['IdentityAgent', (words) => [agentPath(only(words))]],
  ['IdentityFile IdentityFile2', text, 'identity'],
  ['IgnoreUnknown', text],
  ['IPQoS', qualities],
  ['KbdInteractiveAuthentication ChallengeResponseAuthentication SKeyAuthentication TISAuthentication', flag],
  ['KbdInteractiveDevices', text],
  ['KexAlgorithms', algorithms('kex')],
  ['KnownHostsCommand', command],
  ['LocalCommand', command],
  // Debian's ssh calls QUIET SILENT, and prints it so.
  [
    'LogLevel',
    (words) => [
      oneOf(LEVELS, only(words))
        .replace(/^DEBUG1$/, 'DEBUG')
        .replace('SILENT', 'QUIET'),
    ],
  ],
  ['LogVerbose', listOf((word) => word)],
  ['MACs', algorithms('mac')],
  ['NoHostAuthenticationForLocalhost', flag],
  ['NumberOfPasswordPrompts', integer],
  ['ObscureKeystrokeTiming', anything],
  ['PasswordAuthentication', flag],
  ['PermitLocalCommand', flag],
  ['PermitRemoteOpen', permitted],
  ['PKCS11Provider SmartcardDevice', text],
  ['Port', (words) => [String(whole(only(words), 1, 65_535))]],
  ['PreferredAuthentications', text],
  ['ProxyCommand', command, 'proxy'],
  ['ProxyJump', jump, 'jump'],
  ['ProxyUseFdpass', flag],
  ['PubkeyAcceptedAlgorithms PubkeyAcceptedKeyTypes', algorithms('key')],
  ['PubkeyAuthentication DSAAuthentication', choice({ ...STATES, unbound: 'unbound', 'host-bound': 'host-bound' })],
  ['RefuseConnection', text],
  ['RemoteCommand', command],
  ['RequestTTY', choice({ ...STATES, force: 'force', auto: 'auto' })],
  ['RequiredRSASize', integer],
  ['RevokedHostKeys', listOf((word) => word)],
  ['SecurityKeyProvider', text],
  ['ServerAliveCountMax', integer],
  ['ServerAliveInterval ProtocolKeepAlives SetupTimeOut', time],
  ['SessionType', choice({ none: 'none', subsystem: 'subsystem', default: 'default' })],
  ['SetEnv', assignments],
  ['StdinNull', flag],
  ['StreamLocalBindMask', mask],
  ['StreamLocalBindUnlink', flag],
  ['StrictHostKeyChecking', choice({ ...ASK, off: 'false', 'accept-new': 'accept-new' })],
  ['SyslogFacility', (words) => [oneOf(FACILITIES, only(words))]],
  ['Tag', text],
  ['TCPKeepAlive KeepAlive', flag],
  [
    'Tunnel',
    choice({
      ethernet: 'ethernet',
      'point-to-point': 'point-to-point',
      ...STATES,
      true: 'point-to-point',
      yes: 'point-to-point',
    }),
  ],
  ['TunnelDevice', (words) => [tunnel(only(words))]],
  ['UpdateHostKeys', choice(ASK)],
  ['User', text],
  ['UserKnownHostsFile', listOf((word) => word)],
  ['VerifyHostKeyDNS', choice(ASK)],
  ['VersionAddendum', anything],
  ['VisualHostKey', flag],
  ['WarnWeakCrypto', anything],
  ['XAuthLocation', text],
  // What ssh no longer has: it says so and goes on.
  ...[
    'Protocol',
    'Cipher',
    'FallBackToRsh',
    'GlobalKnownHostsFile2',
    'RhostsAuthentication',
    'UserKnownHostsFile2',
  ].map(old),
  ...['UseRoaming', 'UseRsh', 'UsePrivilegedPort', 'AFSTokenPassing', 'KerberosAuthentication'].map(old),
  ...['KerberosTGTPassing', 'RSAAuthentication', 'RhostsRSAAuthentication', 'CompressionLevel'].map(old),
  // Apple's ssh knows it; elsewhere it takes an IgnoreUnknown.
  ...(process.platform === 'darwin' ? ['UseKeychain'].map(old) : []),
];

const KEYWORDS = new Map<string, Keyword & { readonly keyword: string }>();
for (const [names, read, joins = 'first'] of TABLE) {
  const [name, ...aliases] = names.split(' ') as [string, ...string[]];
  const keyword = name.toLowerCase();
  const entry = {
    keyword,
    name,
    joins,
    read: (words: readonly string[], line: string): Value => ({ values: read(words, line) }),
  };
  for (const spelling of [name, ...aliases]) KEYWORDS.set(spelling.toLowerCase(), entry);
}
set('SendEnv', (words) => words.map((word) => ({ values: [sendable(word)], joins: 'environment' })));
set('ForwardAgent', forwardAgent);
set('RekeyLimit', rekeyLimit);
set('LocalForward', forward('local'));
set('RemoteForward', forward('remote'));
set('DynamicForward', forward('dynamic'));

/** What a keyword of a line means; `keyword` in lower case. */
export function keywordOf(keyword: string): (Keyword & { readonly keyword: string }) | undefined {
  return KEYWORDS.get(keyword);
}

function set(name: string, read: Keyword['read']): void {
  const keyword = name.toLowerCase();
  KEYWORDS.set(keyword, { keyword, name, joins: 'first', read });
}

function old(name: string): readonly [string, Read] {
  return [name, anything];
}

function choice(spellings: Readonly<Record<string, string>>): Read {
  return (words) => [chosen(only(words), spellings)];
}

function oneOf(names: readonly string[], word: string): string {
  return chosen(word, Object.fromEntries(names.map((name) => [name.toLowerCase(), name])));
}

/** Any number of words; `none` stands alone. */
function listOf(read: (word: string) => string): Read {
  return (words) => {
    if (words.length > MOST_ENTRIES) throw new BadValue(`more than ${MOST_ENTRIES} entries`);
    if (words.length > 1 && words.some((word) => word.toLowerCase() === 'none'))
      throw new BadValue('"none" stands alone');
    return words.map((word) => read(filled(word)));
  };
}

function cnameRule(word: string): string {
  if (word.toLowerCase() === 'none') return 'none';
  if (word === '*') return '*:*';
  if (!/^[^:]*:./s.test(word)) throw new BadValue(`"${word}" is no rule: write source:target`);
  return word.toLowerCase();
}

function algorithms(kind: AlgorithmKind): Read {
  return (words) => {
    const list = only(words);
    const wrong = wrongAlgorithm(kind, list);
    if (wrong !== undefined) throw new BadValue(wrong);
    return [list];
  };
}

function addKeys(words: readonly string[]): readonly string[] {
  const [first = '', life] = words;
  if (words.length > 2) throw new BadValue('two arguments at most: confirm 5m');
  const state = Object.hasOwn(ASK, first.toLowerCase())
    ? chosen(first, ASK)
    : first.toLowerCase() === 'confirm'
      ? 'confirm'
      : undefined;
  if (life === undefined) {
    if (state !== undefined) return [state];
    const limit = seconds(filled(first));
    return [limit === 0 ? 'true' : String(limit)];
  }
  if (state !== 'confirm') throw new BadValue(`"${life}" may only stand after confirm`);
  return [seconds(life) === 0 ? 'confirm' : `confirm ${seconds(life)}`];
}

function persist(words: readonly string[]): readonly string[] {
  const word = only(words);
  if (word === 'no' || word === 'false') return ['no'];
  if (word === 'yes' || word === 'true') return ['yes'];
  return [seconds(word) === 0 ? 'yes' : String(seconds(word))];
}

function qualities(words: readonly string[]): readonly string[] {
  if (words.length > 2) throw new BadValue('two classes at most');
  const first = service(filled(words[0]));
  return [first, words[1] === undefined ? first : service(words[1])];
}

function permitted(words: readonly string[]): readonly string[] {
  filled(words[0]);
  if (words.length === 1 && /^(?:any|none)$/i.test(words[0]!)) return words;
  return words.map(opening);
}

function jump(_words: readonly string[], line: string): readonly string[] {
  const list = line.replace(/^[ \t\r\n=]+/, '');
  parseJumps(list);
  return [list];
}

function sendable(word: string): string {
  if (word === '' || word.includes('=')) throw new BadValue(`"${word}" is no name of a variable`);
  return word;
}

/** The first of each name. */
function assignments(words: readonly string[]): readonly string[] {
  const seen = new Map<string, string>();
  for (const word of words) {
    const at = word.indexOf('=');
    if (at < 0) throw new BadValue(`"${word}" is no assignment: write NAME=value`);
    if (!seen.has(word.slice(0, at))) seen.set(word.slice(0, at), word);
  }
  return [...seen.values()];
}

/** ssh takes the digits in front and leaves the rest. */
function mask(words: readonly string[]): readonly string[] {
  const value = Number.parseInt(/^\s*\+?([0-7]+)/.exec(only(words))?.[1] ?? '', 8);
  if (!(value <= 0o777)) throw new BadValue(`"${words[0]}" is no octal mode up to 0777`);
  return [`0${value.toString(8)}`];
}

/** A socket's path, `SSH_AUTH_SOCK`, `none`, `$NAME` or `${NAME}`. */
function agentPath(word: string): string {
  expandNames(word);
  if (word.startsWith('$') && !word.startsWith('${') && !/^\$[A-Za-z0-9_]+$/.test(word))
    throw new BadValue(`"${word}" is no name of a variable`);
  return word;
}

/** A path says yes, unless an earlier line said no; and it stays, whatever an earlier line said. */
function forwardAgent(words: readonly string[]): readonly Value[] {
  const word = only(words);
  if (Object.hasOwn(FLAG, word.toLowerCase())) return [{ values: [chosen(word, FLAG)] }];
  return [{ values: ['yes'] }, { keyword: 'forwardagent path', values: [agentPath(word)] }];
}

/** Bytes and time are two options in one line. */
function rekeyLimit(words: readonly string[]): readonly Value[] {
  const [size, after] = words;
  if (words.length > 2) throw new BadValue('two arguments at most: 1G 1h');
  const bytes = filled(size) === 'default' ? 0n : scaled(size!);
  if (bytes > 0n && bytes < 16n) throw new BadValue(`"${size}" is too small`);
  const limit = { values: [String(bytes)] };
  if (after === undefined || after === 'none') return [limit];
  return [limit, { keyword: 'rekeylimit time', values: [String(seconds(filled(after)))] }];
}

function forward(kind: 'local' | 'remote' | 'dynamic'): Keyword['read'] {
  return (words) => {
    filled(words[0]);
    const { text: spec, socks } = parseForward(words, kind);
    return {
      keyword: socks && kind !== 'remote' ? 'dynamicforward' : `${kind}forward`,
      values: [spec],
      joins: 'forward',
    };
  };
}
