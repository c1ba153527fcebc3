import type { Algorithms, ServerHostKeyAlgorithm } from 'ssh2';

/**
 * What is offered to a server, first choice first. Left out: SHA-1 in any form, CBC, and group exchange, which blocks
 * the thread for 1.5 s (FACTS 12). Every `-etm` and chacha20 needs strict key exchange against Terrapin
 * (CVE-2023-48795), which ssh2 offers by itself.
 *
 * aes128-gcm goes first because it is the cheapest both ways: with the native binding it and chacha20 are one call for a
 * packet, on a processor with AES instructions; without, GCM is one OpenSSL cipher where ctr needs a cipher and a MAC,
 * and chacha20 two ciphers and a Poly1305 in WebAssembly.
 */
const CIPHERS = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes256-ctr',
] as const;
const MACS = [
  'hmac-sha2-256-etm@openssh.com',
  'hmac-sha2-512-etm@openssh.com',
  'hmac-sha2-256',
  'hmac-sha2-512',
] as const;
const KEX = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group16-sha512',
  'diffie-hellman-group14-sha256',
] as const;
const HOST_KEYS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const satisfies readonly ServerHostKeyAlgorithm[];

/**
 * The offer for a host of which keys of these types (`ssh-ed25519`, `ssh-rsa`, …) are known. Their algorithms go first:
 * the server picks the first that both have, and a key of another type could not be verified.
 */
export function algorithmsFor(knownTypes: ReadonlySet<string>): Algorithms {
  const known = HOST_KEYS.filter((name) => knownTypes.has(typeOf(name)));
  const rest = HOST_KEYS.filter((name) => !knownTypes.has(typeOf(name)));
  return {
    kex: [...KEX],
    cipher: [...CIPHERS],
    hmac: [...MACS],
    serverHostKey: [...known, ...rest],
    compress: ['none'],
  };
}

/** The type of the key that an algorithm signs with: RSA has one type and two algorithms. */
function typeOf(algorithm: string): string {
  return algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm;
}
