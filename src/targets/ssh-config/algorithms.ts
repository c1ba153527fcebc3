import { compileList } from './patterns.js';

/** Names that OpenSSH 9.2 to 10.5 know. ssh refuses a list with any other name, so that a slip is not a weaker list. */
const CIPHERS = [
  ...['3des-cbc', 'aes128-cbc', 'aes192-cbc', 'aes256-cbc', 'rijndael-cbc@lysator.liu.se'],
  ...['aes128-ctr', 'aes192-ctr', 'aes256-ctr', 'aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'],
  'chacha20-poly1305@openssh.com',
];

const MAC_STEMS = ['hmac-sha1', 'hmac-sha1-96', 'hmac-sha2-256', 'hmac-sha2-512', 'hmac-md5', 'hmac-md5-96'];
const UMACS = ['umac-64', 'umac-128'];
const MACS = [
  ...MAC_STEMS,
  ...UMACS.map((name) => `${name}@openssh.com`),
  ...[...MAC_STEMS, ...UMACS].map((name) => `${name}-etm@openssh.com`),
];

const KEX = [
  ...['1-sha1', '14-sha1', '14-sha256', '16-sha512', '18-sha512'].map((group) => `diffie-hellman-group${group}`),
  ...['diffie-hellman-group-exchange-sha1', 'diffie-hellman-group-exchange-sha256'],
  ...['ecdh-sha2-nistp256', 'ecdh-sha2-nistp384', 'ecdh-sha2-nistp521'],
  ...['curve25519-sha256', 'curve25519-sha256@libssh.org'],
  ...['sntrup761x25519-sha512', 'sntrup761x25519-sha512@openssh.com'],
  ...['mlkem768x25519-sha256', 'mlkem768nistp256-sha256'],
];

const PLAIN_KEYS = [
  ...['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ...['ssh-rsa', 'rsa-sha2-256', 'rsa-sha2-512', 'ssh-dss', 'ssh-mldsa44-ed25519@openssh.com'],
];
const TOKEN_KEYS = ['sk-ssh-ed25519', 'sk-ecdsa-sha2-nistp256'];
const KEYS = [
  ...PLAIN_KEYS,
  ...TOKEN_KEYS.map((name) => `${name}@openssh.com`),
  ...[...PLAIN_KEYS.filter((name) => !name.includes('@')), ...TOKEN_KEYS].map((name) => `${name}-cert-v01@openssh.com`),
  'webauthn-sk-ecdsa-sha2-nistp256@openssh.com',
];

export type AlgorithmKind = 'cipher' | 'mac' | 'kex' | 'key';

const NAMES: Record<AlgorithmKind, readonly string[]> = { cipher: CIPHERS, mac: MACS, kex: KEX, key: KEYS };

/** What is wrong with a list as it is written, or undefined. Names of keys may have wildcards; what `-` takes away may be anything. */
export function wrongAlgorithm(kind: AlgorithmKind, list: string): string | undefined {
  if (list.startsWith('-')) return undefined;
  const known = NAMES[kind];
  const isKnown = (name: string) =>
    known.includes(name) || (kind === 'key' && /[*?]/.test(name) && known.some(compileList(name, false)));
  const names = list.replace(/^[+^]/, '').split(',');
  // ssh checks names up to an empty one, and drops what it does not know behind it; negated ones are never right.
  const end = names.includes('') && names.some(isKnown) ? names.indexOf('') : names.length;
  const wrong = names.find((name, at) => name.startsWith('!') || (at < end && !isKnown(name)));
  return wrong === undefined ? undefined : `no ${kind} is called "${wrong}": ssh -Q ${kind} lists them`;
}

/**
 * The names that a list stands for: `+` adds to the defaults, `-` takes away, `^` puts in front, anything else replaces
 * them. `all` is what can be used at all, in which wildcards are looked up.
 */
export function applyAlgorithms(list: string, defaults: readonly string[], all: readonly string[]): string[] {
  const names = list.replace(/^[-+^]/, '');
  if (list.startsWith('-')) {
    const away = compileList(names, false);
    return defaults.filter((name) => !away(name));
  }
  const found = names.split(',').flatMap((name) => all.filter(compileList(name, false)));
  if (list.startsWith('+')) return [...new Set([...defaults, ...found])];
  if (list.startsWith('^')) return [...new Set([...found, ...defaults])];
  return [...new Set(found)];
}
