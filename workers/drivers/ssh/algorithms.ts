import type { Algorithms, CipherAlgorithm, KexAlgorithm, MacAlgorithm, ServerHostKeyAlgorithm } from 'ssh2';
import { KeylaneError } from '../../../src/errors.js';
import type { SshAlgorithms } from '../../../src/ssh-types.js';

/** The four kinds of which an SSH connection has one each, as `ssh.algorithms` names them. */
export type AlgorithmKind = keyof SshAlgorithms;

/** What we offer to a server, first choice first, in ssh2's words. */
export interface Offer extends Algorithms {
  kex: KexAlgorithm[];
  serverHostKey: ServerHostKeyAlgorithm[];
  cipher: CipherAlgorithm[];
  hmac: MacAlgorithm[];
  compress: ['none'];
}

/** What the name of a kind is in ssh_config. */
export const OPTION_OF = {
  kex: 'KexAlgorithms',
  hostKeys: 'HostKeyAlgorithms',
  ciphers: 'Ciphers',
  macs: 'MACs',
} as const satisfies Record<AlgorithmKind, string>;

/**
 * What is offered to a server, first choice first. Left out: SHA-1 in any form, CBC, compression, and group exchange,
 * which blocks the thread for 1.5 s (FACTS 12).
 *
 * aes128-gcm goes first because it is the cheapest both ways: with the native binding it and chacha20 are one call for a
 * packet, on a processor with AES instructions; without, GCM is one OpenSSL cipher where ctr needs a cipher and a MAC,
 * and chacha20 two ciphers and a Poly1305 in WebAssembly. chacha20 and the `-etm` MACs go last: without strict key
 * exchange they are open to Terrapin (CVE-2023-48795), so they are what a server gets that has nothing else, and only if
 * it is strict (`negotiate`).
 */
const DEFAULTS = {
  ciphers: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'aes128-ctr',
    'aes256-ctr',
    'chacha20-poly1305@openssh.com',
  ],
  macs: ['hmac-sha2-256', 'hmac-sha2-512', 'hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'],
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group14-sha256',
  ],
  hostKeys: [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ],
} as const satisfies Record<AlgorithmKind, readonly string[]>;

/** What a list may name beside: ssh2 has it, and it is weak, slow or rare. */
const ON_DEMAND = {
  ciphers: ['aes192-ctr', 'aes256-cbc', 'aes192-cbc', 'aes128-cbc', '3des-cbc'],
  macs: ['hmac-sha1-etm@openssh.com', 'hmac-sha1', 'hmac-sha1-96', 'hmac-md5', 'hmac-md5-96'],
  kex: [
    'diffie-hellman-group15-sha512',
    'diffie-hellman-group17-sha512',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group14-sha1',
    'diffie-hellman-group1-sha1',
  ],
  hostKeys: ['ssh-rsa', 'ssh-dss'],
} as const satisfies Record<AlgorithmKind, readonly string[]>;

/**
 * Names that OpenSSH knows and this transport does not: left out of a list that has others, so that the lists of an
 * ssh_config can stay as they are. Post-quantum and group exchanges, certificates, keys on tokens, umac.
 */
const ONLY_OPENSSH =
  /^(sntrup|mlkem|diffie-hellman-group-exchange-|umac-|sk-|webauthn-sk-|ssh-mldsa|rijndael-cbc@)|-cert-v0[01]@openssh\.com$|^hmac-(md5|sha1)(-96)?-etm@openssh\.com$/;

/**
 * The offer for a host of which keys of these types (`ssh-ed25519`, `ssh-rsa`, …) are known, and for which these lists
 * were asked for (ssh_config(5), `Ciphers`). Algorithms of known keys go first: the server picks the first that both
 * have, and a key of another type could not be verified. A list that sets its own order keeps it, as in OpenSSH.
 *
 * Throws ERR_CONFIG_UNSUPPORTED with the name of what is unknown.
 */
export function algorithmsFor(knownTypes: ReadonlySet<string>, lists: SshAlgorithms = {}): Offer {
  const hostKeys = listOf('hostKeys', lists.hostKeys) as ServerHostKeyAlgorithm[];
  const ordered = lists.hostKeys !== undefined && !/^[+-]/.test(lists.hostKeys);
  const first = ordered ? [] : hostKeys.filter((name) => knownTypes.has(typeOf(name)));
  return {
    kex: listOf('kex', lists.kex) as KexAlgorithm[],
    cipher: listOf('ciphers', lists.ciphers) as CipherAlgorithm[],
    hmac: listOf('macs', lists.macs) as MacAlgorithm[],
    serverHostKey: [...new Set([...first, ...hostKeys])],
    compress: ['none'],
  };
}

/** Whether a list may name it. */
export function isOnDemand(kind: AlgorithmKind, name: string): boolean {
  return (ON_DEMAND[kind] as readonly string[]).includes(name);
}

/** `a,b` these only, `+a` these too, `-a` not these, `^a` these first. */
function listOf(kind: AlgorithmKind, text: string | undefined): string[] {
  const defaults: readonly string[] = DEFAULTS[kind];
  if (text === undefined) return [...defaults];
  const how = /^[+^-]/.exec(text)?.[0] ?? '';
  const names = text.slice(how.length).split(',');
  const list = how === '-' ? without(defaults, names) : withNames(how, defaults, found(kind, names));
  if (list.length > 0) return list;
  const why =
    how === '-'
      ? 'takes away all that there is'
      : `has none that keylane's own SSH can do; take some of ${defaults.join(', ')}, or \`transport: 'openssh'\``;
  throw unsupported(kind, `"${text}" ${why}`);
}

function withNames(how: string, defaults: readonly string[], names: readonly string[]): string[] {
  if (how === '+') return [...new Set([...defaults, ...names])];
  return [...new Set(how === '^' ? [...names, ...defaults] : names)];
}

function without(defaults: readonly string[], patterns: readonly string[]): string[] {
  return defaults.filter((name) => !patterns.some((pattern) => matches(pattern, name)));
}

/** What the names of a list stand for. A wildcard stands for what the transport has. */
function found(kind: AlgorithmKind, names: readonly string[]): string[] {
  const all: readonly string[] = [...DEFAULTS[kind], ...ON_DEMAND[kind]];
  return names.flatMap((name) => {
    if (/[*?]/.test(name)) return all.filter((known) => matches(name, known));
    if (all.includes(name)) return [name];
    if (ONLY_OPENSSH.test(name)) return [];
    throw unsupported(kind, `keylane knows no "${name}"; \`ssh -Q ${OPTION_OF[kind]}\` lists what ssh knows`);
  });
}

function unsupported(kind: AlgorithmKind, message: string): KeylaneError {
  return new KeylaneError('ERR_CONFIG_UNSUPPORTED', `ssh.algorithms.${kind} (${OPTION_OF[kind]}): ${message}`);
}

/** `*` any text, `?` any character. By the pieces between the stars: no pattern takes more than length × length steps. */
function matches(pattern: string, name: string): boolean {
  const [head = '', ...rest] = pattern.split('*');
  const fits = (piece: string, at: number) =>
    at >= 0 && at + piece.length <= name.length && [...piece].every((c, i) => c === '?' || c === name[at + i]);
  if (!fits(head, 0)) return false;
  const tail = rest.pop();
  if (tail === undefined) return head.length === name.length;
  let at = head.length;
  for (const piece of rest) {
    while (at + piece.length <= name.length && !fits(piece, at)) at++;
    at += piece.length;
  }
  return at <= name.length - tail.length && fits(tail, name.length - tail.length);
}

/** The type of the key that an algorithm signs with: RSA has one type and more than one algorithm. */
function typeOf(algorithm: string): string {
  return algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm;
}
