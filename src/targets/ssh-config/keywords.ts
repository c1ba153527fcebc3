import {
  ASK,
  addKeys,
  agentPath,
  algorithms,
  anything,
  assignments,
  choice,
  cnameRule,
  command,
  flag,
  forward,
  forwardAgent,
  integer,
  jump,
  listOf,
  mask,
  oneOf,
  permitted,
  persist,
  qualities,
  type Read,
  type ReadValues,
  rekeyLimit,
  STATES,
  sendable,
  text,
  time,
  type Value,
} from './readers.js';
import type { Joins } from './types.js';
import { domain, escapeChar, only, tunnel, whole } from './values.js';

export interface Keyword {
  readonly name: string;
  /** Reads the arguments: split into words, and as they are written. */
  readonly read: ReadValues;
  readonly joins: Joins;
}

const LEVELS = ['QUIET', 'SILENT', 'FATAL', 'ERROR', 'INFO', 'VERBOSE', 'DEBUG', 'DEBUG1', 'DEBUG2', 'DEBUG3'];
const FACILITIES = ['DAEMON', 'USER', 'AUTH', 'AUTHPRIV', ...[0, 1, 2, 3, 4, 5, 6, 7].map((n) => `LOCAL${n}`)];

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

function set(name: string, read: ReadValues): void {
  const keyword = name.toLowerCase();
  KEYWORDS.set(keyword, { keyword, name, joins: 'first', read });
}

function old(name: string): readonly [string, Read] {
  return [name, anything];
}
