import type { AlgorithmKind, Offer } from './algorithms.js';

/** What a server says it can do: its KEXINIT (RFC 4253, 7.1), each list in its own order. */
export interface ServerOffer {
  kex: string[];
  hostKeys: string[];
  /** Either way has its own list: to the server and from it. */
  ciphers: { up: string[]; down: string[] };
  macs: { up: string[]; down: string[] };
  compression: { up: string[]; down: string[] };
}

/** What the key exchange of a connection has settled, for `keylane doctor`. Fixed at the first one: a rekey changes keys. */
export interface KexFacts {
  /** As in `SSH-2.0-OpenSSH_9.2`: what comes after the second dash. */
  software: string;
  /** All that the server can do; the system's `ssh` does not tell. */
  offer?: ServerOffer;
  kex: string;
  hostKey: string;
  /** Both ways; `a up, b down` where they differ. */
  cipher: string;
  /** `implicit` where the cipher is one with authentication. */
  mac: string;
  /** Strict key exchange: safe from Terrapin (CVE-2023-48795). */
  strict: boolean;
  /** Whether what was recorded today stays secret when there are quantum computers. */
  postQuantum: boolean;
}

/** A kind of which the two sides have none in common: the server's list. */
export interface Mismatch {
  kind: AlgorithmKind | 'compression';
  theirs: readonly string[];
}

/** A choice that only strict key exchange makes safe, and the server is not strict. */
export interface NotStrict {
  notStrict: string;
}

/** Names in the list of key exchanges that are none. */
const SIGNS = /^(kex-strict-|ext-info-)/;
const STRICT_SERVER = 'kex-strict-s-v00@openssh.com';

/** Type and cookie. */
const HEAD_BYTES = 17;
/** Servers of one make offer the same: 3 kB that each connection would hold. */
const MOST_OFFERS = 64;
const LONGEST_KEPT = 8 << 10;
const offers = new Map<string, ServerOffer>();

/** The server's side of a KEXINIT message; undefined where it is none. */
export function readOffer(payload: Buffer): ServerOffer | undefined {
  const text = payload.toString('latin1', HEAD_BYTES);
  const known = offers.get(text);
  if (known) return known;
  const offer = parseOffer(payload);
  if (offer && payload.length <= LONGEST_KEPT) {
    if (offers.size >= MOST_OFFERS) offers.clear();
    offers.set(text, offer);
  }
  return offer;
}

function parseOffer(payload: Buffer): ServerOffer | undefined {
  const lists: string[][] = [];
  let at = HEAD_BYTES;
  while (lists.length < 8) {
    if (at + 4 > payload.length) return undefined;
    const end = at + 4 + payload.readUInt32BE(at);
    if (end > payload.length) return undefined;
    lists.push(
      payload
        .toString('latin1', at + 4, end)
        .split(',')
        .filter((name) => name !== ''),
    );
    at = end;
  }
  const [kex, hostKeys, cipherUp, cipherDown, macUp, macDown, compressUp, compressDown] = lists as Eight;
  return {
    kex,
    hostKeys,
    ciphers: { up: cipherUp, down: cipherDown },
    macs: { up: macUp, down: macDown },
    compression: { up: compressUp, down: compressDown },
  };
}

type Eight = [string[], string[], string[], string[], string[], string[], string[], string[]];

/** What comes of two offers: of each kind the first of ours that the server has (RFC 4253, 7.1). */
export function negotiate(ours: Offer, theirs: ServerOffer): Omit<KexFacts, 'software'> | Mismatch[] | NotStrict {
  const missing: Mismatch[] = [];
  const first = (kind: Mismatch['kind'], mine: readonly string[], list: readonly string[]): string => {
    const name = mine.find((wanted) => list.includes(wanted));
    if (name === undefined && !missing.some((other) => other.kind === kind)) {
      missing.push({ kind, theirs: list.filter((other) => !SIGNS.test(other)) });
    }
    return name ?? '';
  };
  const mac = (cipher: string, list: readonly string[]) =>
    isAuthenticated(cipher) ? 'implicit' : first('macs', ours.hmac, list);
  const kex = first('kex', ours.kex, theirs.kex);
  const hostKey = first('hostKeys', ours.serverHostKey, theirs.hostKeys);
  const up = first('ciphers', ours.cipher, theirs.ciphers.up);
  const down = first('ciphers', ours.cipher, theirs.ciphers.down);
  // Without a cipher the MAC is not known to be needed.
  const macUp = up === '' ? '' : mac(up, theirs.macs.up);
  const macDown = down === '' ? '' : mac(down, theirs.macs.down);
  first('compression', ours.compress, theirs.compression.up);
  first('compression', ours.compress, theirs.compression.down);
  if (missing.length > 0) return missing;
  const strict = theirs.kex.includes(STRICT_SERVER);
  const exposed = [up, down, macUp, macDown].find(needsStrict);
  if (!strict && exposed !== undefined) return { notStrict: exposed };
  return {
    offer: theirs,
    kex,
    hostKey,
    cipher: bothWays(up, down),
    mac: bothWays(macUp, macDown),
    strict,
    postQuantum: /^(sntrup|mlkem)/.test(kex),
  };
}

function isAuthenticated(cipher: string): boolean {
  return cipher.includes('-gcm') || cipher.startsWith('chacha20-');
}

/** Where a packet cut out of the handshake would not be noticed. */
function needsStrict(name: string): boolean {
  return name.startsWith('chacha20-') || name.endsWith('-etm@openssh.com');
}

function bothWays(up: string, down: string): string {
  return up === down ? up : `${up} up, ${down} down`;
}
