import { createHash, createHmac, randomBytes } from 'node:crypto';

/** One usable line of a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). */
export interface KnownKey {
  /** `ssh-ed25519`, `ssh-rsa`, … */
  type: string;
  key: Buffer;
  revoked: boolean;
  file: string;
  line: number;
}

/** A pattern list, as written: `web-*,!web-13`. */
interface Patterns {
  list: string[];
  entry: KnownKey;
}

interface Hashed {
  salt: Buffer;
  hash: Buffer;
  entry: KnownKey;
}

/**
 * The keys in one version of a known_hosts file. Plain names are looked up in a Map, so that a fleet of 10,000 hosts
 * costs 10,000 look-ups; patterns and hashed names have to be tried one by one, which is done once for each host.
 */
export class KnownHosts {
  readonly #plain = new Map<string, KnownKey[]>();
  readonly #patterns: Patterns[] = [];
  readonly #hashed: Hashed[] = [];
  readonly #found = new Map<string, readonly KnownKey[]>();

  readonly #file: string;
  #lines = 0;

  constructor(text: string, file: string) {
    this.#file = file;
    this.append(text);
  }

  /** Takes in what was added to the file. What it had before must have ended with a line end. */
  append(text: string): void {
    this.#found.clear();
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    for (const line of lines) this.#read(line, ++this.#lines, this.#file);
  }

  /** All keys of a host, in the order of the file, revoked ones too. `name` as `nameOf` gives it. */
  keysOf(name: string): readonly KnownKey[] {
    const known = this.#found.get(name);
    if (known) return known;
    const keys = [...(this.#plain.get(name) ?? [])];
    for (const { list, entry } of this.#patterns) if (matches(list, name)) keys.push(entry);
    for (const { salt, hash, entry } of this.#hashed) if (hmac(salt, name).equals(hash)) keys.push(entry);
    keys.sort((a, b) => a.line - b.line);
    this.#found.set(name, keys);
    return keys;
  }

  #read(text: string, line: number, file: string): void {
    const words = text.trim().split(/[ \t]+/);
    if (words[0] === '' || words[0]?.startsWith('#')) return;
    const mark = words[0]?.startsWith('@') ? words.shift() : undefined;
    // @cert-authority: ssh2 knows no host certificates, and the authority's key is not the host's.
    if (mark !== undefined && mark !== '@revoked') return;
    const [hosts, type, base64] = words;
    const key = base64 === undefined ? undefined : keyOf(type as string, base64);
    if (!hosts || !key) return;
    const entry: KnownKey = { type: type as string, key, revoked: mark !== undefined, file, line };
    if (hosts.startsWith('|')) this.#addHashed(hosts, entry);
    else this.#addNames(hosts.toLowerCase().split(','), entry);
  }

  #addHashed(hosts: string, entry: KnownKey): void {
    const [, magic, ...parts] = hosts.split('|', 4);
    const [salt, hash] = parts.map((part) => Buffer.from(part, 'base64'));
    // ssh reads no salt of another length. A hash of another length is nobody's.
    if (magic !== '1' || salt?.length !== SHA1_BYTES || hash?.length !== SHA1_BYTES) return;
    this.#hashed.push({ salt, hash, entry });
  }

  #addNames(names: string[], entry: KnownKey): void {
    if (names.some((name) => /[*?!]/.test(name))) {
      this.#patterns.push({ list: names, entry });
      return;
    }
    for (const name of new Set(names)) {
      const keys = this.#plain.get(name);
      if (keys) keys.push(entry);
      else this.#plain.set(name, [entry]);
    }
  }
}

const SHA1_BYTES = 20;

/** How known_hosts names a host: bare at port 22, else `[host]:port`. */
export function nameOf(host: string, port: number): string {
  return port === 22 ? host : `[${host}]:${port}`;
}

/** A name that only who knows it can find again: `|1|salt|hash` (ssh-keygen -H). */
export function hashed(name: string): string {
  const salt = randomBytes(20);
  return `|1|${salt.toString('base64')}|${hmac(salt, name).toString('base64')}`;
}

/** As `ssh-keygen -l` prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The type that a public key in wire format says it has; '' if it is none. */
export function typeOf(key: Buffer): string {
  const length = key.length >= 4 ? key.readUInt32BE(0) : 0;
  return length > 0 && length <= 64 && key.length >= 4 + length ? key.toString('latin1', 4, 4 + length) : '';
}

/** The key of a line, if it is one and is of the type that the line says. */
function keyOf(type: string, base64: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const key = Buffer.from(base64, 'base64');
  return typeOf(key) === type ? key : undefined;
}

/** A list matches if one of its patterns does, and none with a `!` before it. */
function matches(list: readonly string[], name: string): boolean {
  let found = false;
  for (const pattern of list) {
    const negated = pattern.startsWith('!');
    if (!wildcard(negated ? pattern.slice(1) : pattern, name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

/** `*` any characters, `?` one. Goes back to the last star only, so no pattern takes more than length × length steps. */
function wildcard(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let from = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      from = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

function hmac(salt: Buffer, name: string): Buffer {
  return createHmac('sha1', salt).update(name).digest();
}
