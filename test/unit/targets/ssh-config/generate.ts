// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ssh writes variables of the environment like this.
import type { Random } from '../../../support/seed.js';

/** Random ssh_config files, most of them good, for the comparison with ssh and for the fuzzer. */
export interface Generated {
  main: string;
  /** Included files, by name; `@DIR@` in any text stands for the folder that they are in. */
  included: Record<string, string>;
  host: string;
  user: string | undefined;
  port: number | undefined;
}

const HOSTS = [
  'web-1',
  'web-2.example.com',
  'DB1',
  'db1',
  '10.0.0.1',
  'bastion',
  'h',
  'a.b.c',
  '::1',
  '127.1',
  'Web-1',
];
const PATTERNS = [
  ...HOSTS,
  '*',
  'web-*',
  '*.example.com',
  '?b1',
  'd*1',
  'W*',
  '*-?',
  '10.0.*',
  '*.*',
  '**',
  '?',
  '*b*1',
];
const USERS = ['root', 'deploy', 'ops', 'Alice'];
const CIPHERS = ['aes128-ctr', 'aes256-gcm@openssh.com', 'chacha20-poly1305@openssh.com', 'aes128-cbc'];
const MACS = ['hmac-sha2-256', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha1'];
const KEX = ['curve25519-sha256', 'ecdh-sha2-nistp256', 'diffie-hellman-group14-sha1'];
const KEYS = ['ssh-ed25519', 'rsa-sha2-*', 'ssh-rsa', '*-cert-v01@openssh.com', 'ecdsa-sha2-nistp256', 'sk-*'];

type Value = (random: Random) => string;

const flag: Value = (random) => random.pick(['yes', 'no', 'true', 'false', 'Yes', 'NO']);
const path: Value = (random) =>
  random.pick([
    '~/k',
    '/k/%h',
    '~/%n-%r',
    '"~/a b"',
    "'/x y/z'",
    '/a\\ b',
    '${HOME}/k',
    '~/%p%%',
    '/%u/%i/%k',
    '/k"q"k',
    '~',
  ]);
const count: Value = (random) => String(random.below(40));
const time: Value = (random) => random.pick(['5', '1m', '1h30m', '2d', '1w2', 'none', '90s', '1H', '0']);
const name: Value = (random) =>
  random.pick(['alpha', 'beta', '"c d"', 'e#f', "g'h'i", 'J\\\\k', 'none', 'x=y', '"a\\"b"', 'm#']);
const list =
  (names: readonly string[], plain = false): Value =>
  (random) =>
    `${plain ? '' : random.pick(['', '', '+', '-', '^'])}${several(random, names, 1, 3).join(',')}`;

/** Keywords whose printing does not hang on how OpenSSH was built. */
const OPTIONS: Record<string, Value> = {
  AddKeysToAgent: (random) => random.pick(['yes', 'no', 'ask', 'confirm', 'confirm 5m', '1h', '0']),
  AddressFamily: (random) => random.pick(['any', 'inet', 'INET6']),
  BatchMode: flag,
  BindAddress: (random) => random.pick(['127.0.0.1', '::1', '"10.0.0.1"']),
  BindInterface: (random) => random.pick(['eth0', 'lo']),
  CanonicalizeHostname: (random) => random.pick(['yes', 'no', 'always']),
  CanonicalizeMaxDots: count,
  CASignatureAlgorithms: list(['ssh-ed25519', 'rsa-sha2-512', 'ecdsa-*']),
  CertificateFile: path,
  CheckHostIP: flag,
  Ciphers: list(CIPHERS),
  ClearAllForwardings: flag,
  Compression: (random) => random.pick(['yes', 'no']),
  ConnectionAttempts: (random) => String(random.below(5)),
  ConnectTimeout: time,
  ControlMaster: (random) => random.pick(['yes', 'no', 'auto', 'ask', 'autoask']),
  ControlPath: (random) => random.pick(['none', '~/c-%h-%p-%r', '/tmp/%n', '/tmp/%L%%%l', '/x/${HOME}']),
  ControlPersist: (random) => random.pick(['yes', 'no', '1h', '0', '10']),
  DynamicForward: (random) => random.pick(['1080', 'localhost:1080', '[::1]:1080', '/run/s']),
  EscapeChar: (random) => random.pick(['~', 'none', '^B', 'x', '^[']),
  ExitOnForwardFailure: flag,
  FingerprintHash: (random) => random.pick(['md5', 'SHA256', 'sha512']),
  ForwardAgent: (random) => random.pick(['yes', 'no', '/', '${HOME}', '~']),
  ForwardX11: flag,
  ForwardX11Timeout: time,
  GatewayPorts: flag,
  GlobalKnownHostsFile: (random) => random.pick(['/etc/kh', '/a /b', 'none', '"/a b" /c', '~/x']),
  HashKnownHosts: flag,
  HostbasedAcceptedAlgorithms: list(KEYS),
  HostbasedAuthentication: flag,
  HostKeyAlgorithms: list(KEYS),
  HostKeyAlias: (random) => random.pick(['Alias', 'other.example', 'k']),
  HostName: (random) =>
    random.pick(['%h.example.com', '10.1.2.3', 'Real.Example', '::0:1', '%h', '%%h', 'web-1', '10.1', 'x%h']),
  IdentitiesOnly: flag,
  IdentityAgent: (random) =>
    random.pick(['none', 'SSH_AUTH_SOCK', '$SSH_AUTH_SOCK', '~/agent', '/run/%u.sock', '${HOME}/a']),
  IdentityFile: path,
  IPQoS: (random) => random.pick(['af21 cs1', 'ef', 'none', '0x10', 'cs0 le', '184', '7']),
  KbdInteractiveAuthentication: flag,
  KbdInteractiveDevices: name,
  ChallengeResponseAuthentication: flag,
  KexAlgorithms: list(KEX),
  KnownHostsCommand: (random) => random.pick(['/bin/true %H', 'none']),
  LocalCommand: (random) => random.pick(['echo "%h"', 'none', 'a=b c']),
  LocalForward: (random) =>
    random.pick(['8080 db:5432', '127.0.0.1:80 [::1]:81', '/run/l.sock /run/r.sock', '9 /run/%h', '*:1 a:2']),
  LogLevel: (random) => random.pick(['quiet', 'INFO', 'debug', 'DEBUG1', 'Debug3', 'verbose']),
  MACs: list(MACS),
  NoHostAuthenticationForLocalhost: flag,
  NumberOfPasswordPrompts: count,
  PasswordAuthentication: flag,
  PermitLocalCommand: flag,
  PermitRemoteOpen: (random) => random.pick(['any', 'none', 'a:1 b:*', '[::1]:22']),
  PKCS11Provider: (random) => random.pick(['none', '/lib/p.so']),
  Port: (random) => String(1 + random.below(65_535)),
  PreferredAuthentications: (random) => random.pick(['publickey', 'publickey,password']),
  ProxyCommand: (random) => random.pick(['nc %h %p', 'none', 'sh -c "a b" \'c\'', '= x', 'a # b']),
  ProxyJump: (random) =>
    random.pick(['bastion', 'u@b:2222', 'a,b@c:9,d', 'none', 'ssh://u@h:33', '[::1]:22', '10.0.0.1', 'a,10.0.0.2']),
  ProxyUseFdpass: flag,
  PubkeyAcceptedAlgorithms: list(KEYS),
  PubkeyAcceptedKeyTypes: list(KEYS),
  PubkeyAuthentication: (random) => random.pick(['yes', 'no', 'unbound', 'host-bound']),
  RekeyLimit: (random) => random.pick(['1G', '500M 1h', 'default none', '16', '1.5M', 'default 5m']),
  RemoteCommand: (random) => random.pick(['none', 'echo %h "a b"', 'tmux %n', 'a%%']),
  RemoteForward: (random) => random.pick(['9', '0 a:1', '8080 db:5432', '/run/%r.sock a:1', 'h:1 b:2']),
  RequestTTY: (random) => random.pick(['yes', 'no', 'force', 'auto']),
  RequiredRSASize: count,
  SendEnv: (random) => random.pick(['LANG', 'LC_*', 'A B', '-LANG', '-*', 'LC_ALL -LC_*', '"C"']),
  ServerAliveCountMax: count,
  ServerAliveInterval: time,
  SessionType: (random) => random.pick(['none', 'subsystem', 'default']),
  SetEnv: (random) => random.pick(['A=1', 'B="2 3" C=4', 'A=1 A=2', '"D=5 6"', 'E=']),
  StdinNull: flag,
  StreamLocalBindMask: (random) => random.pick(['0177', '77', '0']),
  StreamLocalBindUnlink: flag,
  StrictHostKeyChecking: (random) => random.pick(['yes', 'no', 'ask', 'accept-new', 'off']),
  SyslogFacility: (random) => random.pick(['auth', 'USER', 'local3']),
  TCPKeepAlive: flag,
  Tunnel: (random) => random.pick(['yes', 'no', 'ethernet', 'point-to-point']),
  TunnelDevice: (random) => random.pick(['any', '1', '2:any', 'any:3']),
  UpdateHostKeys: (random) => random.pick(['yes', 'no', 'ask']),
  User: (random) => random.pick(USERS),
  UserKnownHostsFile: (random) =>
    random.pick(['~/.ssh/known_hosts', '/a/%h /b', 'none', '"/a b"', '~/x-%k', '${HOME}/y']),
  VerifyHostKeyDNS: (random) => random.pick(['yes', 'no', 'ask']),
  VisualHostKey: flag,
  Protocol: (random) => random.pick(['2', '2,1']),
  UseRoaming: flag,
  RSAAuthentication: flag,
};

/** Lines that ssh refuses, or takes only behind an IgnoreUnknown. */
const WRONG = [
  ...[
    'Port 0',
    'Port 70000',
    'Port x',
    'Port 1 2',
    'Port',
    'User ""',
    'User a b',
    'Bogus 1',
    'UseKeychainX yes',
    'Host ""',
    'Match',
  ],
  ...[
    'Match all host x',
    'Match nothing x',
    'Match host',
    'ConnectTimeout 5q',
    'Ciphers nope',
    'MACs a,b',
    'IdentityFile "x',
  ],
  ...[
    'StrictHostKeyChecking maybe',
    'LogLevel loud',
    'RekeyLimit 3',
    'EscapeChar ab',
    'SetEnv A',
    'SendEnv A=1',
    'ProxyJump @x',
  ],
  ...[
    'LocalForward 80',
    'LocalForward 80 a',
    'DynamicForward 0',
    'IPQoS fast',
    'HostName %q',
    'ControlPath %z',
    'Compression 7',
  ],
  ...[
    'UserKnownHostsFile a none',
    'ControlPath ${NO_SUCH_VARIABLE_HERE}',
    'ServerAliveCountMax -1',
    'IdentityAgent $a-b',
    'Include ""',
  ],
  ...[
    'UserKnownHostsFile %q',
    'RemoteCommand %q',
    'ProxyJump a:0',
    'TunnelDevice x',
    'Port 22 # c',
    'AddKeysToAgent yes 5m',
  ],
];

export function generateConfig(random: Random): Generated {
  const included: Record<string, string> = {};
  for (const file of ['a1.conf', 'a2.conf', 'b.conf', 'with space/c.conf'])
    if (random.below(2) === 0) included[file] = generateText(random, 1 + random.below(8), false);
  return {
    main: generateText(random, 3 + random.below(22), true),
    included,
    host: random.pick(HOSTS),
    user: random.below(4) === 0 ? random.pick(USERS) : undefined,
    port: random.below(6) === 0 ? 1 + random.below(65_535) : undefined,
  };
}

/**
 * A configuration with a few characters put in, taken out or put in place of others. Not in Match lines, which versions
 * of ssh split in different ways.
 */
export function mutateConfig(random: Random, config: Generated): Generated {
  const lines = config.main.split('\n');
  for (let left = 1 + random.below(4); left > 0; left--) {
    const number = random.below(lines.length);
    const line = lines[number]!;
    if (/match/i.test(line)) continue;
    const at = random.below(line.length + 1);
    lines[number] = line.slice(0, at) + random.pick(NOISE) + line.slice(at + random.below(2));
  }
  return { ...config, main: lines.join('\n') };
}

/** What has a meaning in a line; and nothing. */
const NOISE = [
  '',
  '',
  ' ',
  '\t',
  '"',
  "'",
  '\\',
  '=',
  '#',
  ',',
  '!',
  '*',
  '?',
  '%',
  '$',
  '{',
  '~',
  '-',
  '+',
  '^',
  ':',
  '@',
  '[',
  ']',
  '\r',
  '\n',
  '1',
  'x',
  'A',
  '/',
  '.',
];

function generateText(random: Random, lines: number, mayInclude: boolean): string {
  let text = '';
  for (let left = lines; left > 0; left--)
    text += `${generateLine(random, mayInclude)}${random.below(12) === 0 ? '\r\n' : '\n'}`;
  return random.below(8) === 0 ? text.trimEnd() : text;
}

function generateLine(random: Random, mayInclude: boolean): string {
  const kind = random.below(100);
  if (kind < 14)
    return (
      indent(random) +
      keyword(random, 'Host') +
      several(random, PATTERNS, 1, 3)
        .map((p) => not(random) + p)
        .join(' ')
    );
  if (kind < 28) return indent(random) + keyword(random, 'Match') + matchCriteria(random);
  if (kind < 33 && mayInclude) return keyword(random, 'Include') + random.pick(INCLUDES);
  if (kind < 35) return random.pick(['', '   ', '# comment', '\t# x = y', '"never closed', '#']);
  if (kind < 36) return random.pick(WRONG);
  if (kind < 38) return keyword(random, 'IgnoreUnknown') + random.pick(['Bogus', 'bogus,use*', '*', 'other']);
  const option = random.pick(Object.keys(OPTIONS));
  return indent(random) + keyword(random, option) + OPTIONS[option]!(random) + random.pick(TAILS);
}

const INCLUDES = [
  ...['@DIR@/a?.conf', '@DIR@/*.conf', '@DIR@/b.conf', '"@DIR@/with space/*.conf"', '@DIR@/[ab]*.conf', '@DIR@/none-*'],
  ...['@DIR@/[!a]*.conf @DIR@/a1.conf', '@DIR@/*/c.conf'],
];
const TAILS = ['', '', '', '', '', ' ', '\t \t', '  '];

function matchCriteria(random: Random): string {
  if (random.below(5) === 0) return random.pick(['all', 'all', '!all', 'final all', 'canonical all', 'ALL # c']);
  return Array.from({ length: 1 + random.below(3) }, () => {
    const is = random.pick(['host', 'host', 'originalhost', 'user', 'localuser', 'final', 'canonical', 'Host']);
    if (is === 'final') return is;
    if (is === 'canonical') return not(random) + is;
    const from = /host/i.test(is) ? PATTERNS : [...USERS, '*', '?oot', 'D*', 'd*'];
    const patterns = several(random, from, 1, 3)
      .map((p) => not(random) + p)
      .join(',');
    return `${not(random)}${is}${random.pick([' ', ' ', '  ', '='])}${random.below(5) === 0 ? `"${patterns}"` : patterns}`;
  }).join(' ');
}

function keyword(random: Random, name_: string): string {
  const cased = random.pick([name_, name_, name_, name_.toLowerCase(), name_.toUpperCase()]);
  const quoted = random.below(30) === 0 ? `"${cased}"` : cased;
  return quoted + random.pick([' ', ' ', ' ', ' ', '\t', '=', ' = ', '= ', '  ']);
}

function indent(random: Random): string {
  return random.pick(['', '  ', '\t', '    ']);
}

function not(random: Random): string {
  return random.below(6) === 0 ? '!' : '';
}

function several(random: Random, from: readonly string[], least: number, most: number): string[] {
  return Array.from({ length: least + random.below(most - least + 1) }, () => random.pick(from));
}
