import { isIP, isIPv6 } from 'node:net';
import { type Place, placeOf } from './scope-http.js';

/** Hosts that a token is for: `deploy@web-*.example:2222`, taken apart. */
interface Pattern {
  readonly user: string | undefined;
  readonly host: string;
  /** Undefined: the usual one. */
  readonly port: string | undefined;
}

/** One host, as an `ssh` request says it. */
export interface Asked {
  host: string;
  port: number | undefined;
  user: string | undefined;
}

const USUAL_PORT = 22;

/**
 * Whether one of a token's patterns names a host. `*` is any characters but a dot, so that `web-*` is not
 * `web-1.elsewhere.example`, nor `10.0.0.*` `10.0.0.1.elsewhere.example`; `**` is any, and `?` is one but a dot.
 */
export class HostPatterns {
  readonly #texts: readonly string[];
  readonly #patterns: readonly Pattern[];

  constructor(patterns: readonly string[]) {
    this.#texts = patterns;
    this.#patterns = patterns.map(taken);
  }

  /**
   * Globs as the engine has them (`*` any characters, `?` one), one for each pattern: whatever `hasKey` says yes to matches
   * one of them, and more does.
   */
  get keyGlobs(): readonly string[] {
    return this.#texts.map((text, at) => {
      const host = text.slice(text.lastIndexOf('@') + 1).replace(/[A-Z]/g, '?');
      // What has a port, or is an address with colons, as its parts say.
      const loose = host.includes(':') || host.includes('[') ? (this.#patterns[at]?.host ?? '') : host;
      return `*${loose}*`.replace(/\*+/g, '*');
    });
  }

  /** Of a name as it stands: a key of `echo`. */
  hasName(name: string): boolean {
    return this.#texts.some((text) => glob(text, name));
  }

  hasHost({ host, port, user }: Asked): boolean {
    const plain = plainHost(host);
    if (plain === undefined) return false;
    return this.#patterns.some(
      (pattern) =>
        glob(pattern.host, plain) &&
        (pattern.user === undefined || (user !== undefined && glob(pattern.user, user))) &&
        hasPort(pattern.port, port),
    );
  }

  /** Of a URL: without a port a pattern is for the one that goes without saying. Patterns that ask for a user have none. */
  hasPlace({ host, port, usualPort }: Place): boolean {
    const plain = plainHost(host);
    return (
      plain !== undefined &&
      this.#patterns.some(
        (pattern) =>
          pattern.user === undefined && glob(pattern.host, plain) && hasPort(pattern.port ?? `${usualPort}`, port),
      )
    );
  }

  /** Of a key of `ssh`, `host:port`, of `http`, an origin, or of any other driver. A user of a pattern counts for whatever user. */
  hasKey(key: string): boolean {
    const place = placeOf(key);
    if (place) return this.hasPlace(place) || this.hasName(key);
    const [, host, port] = /^(.*):([0-9]{1,5})$/s.exec(key) ?? [];
    if (host === undefined) return this.hasName(key);
    const plain = plainHost(host);
    if (plain === undefined) return false;
    return this.#patterns.some((pattern) => glob(pattern.host, plain) && hasPort(pattern.port, Number(port)));
  }
}

/** A request that names no port goes where the service's own settings say; one that does must have it from its pattern. */
function hasPort(pattern: string | undefined, port: number | undefined): boolean {
  if (pattern === '*' || port === undefined) return true;
  return String(port) === (pattern ?? String(USUAL_PORT));
}

function taken(text: string): Pattern {
  const at = text.lastIndexOf('@');
  const rest = text.slice(at + 1);
  const user = at < 0 ? undefined : text.slice(0, at);
  const [, inBrackets, ofBrackets] = /^\[(.*)\](?::([0-9*]+))?$/s.exec(rest) ?? [];
  if (inBrackets !== undefined) return { user, host: lower(inBrackets), port: ofBrackets };
  if (isIPv6(rest)) return { user, host: lower(rest), port: undefined };
  const [, host = rest, port] = /^([^:]*):([0-9*]+)$/s.exec(rest) ?? [];
  return { user, host: lower(host), port };
}

function lower(host: string): string {
  return isIPv6(host) ? sameIPv6(host) : host.toLowerCase();
}

/**
 * The one way to write a host, as the engine connects to it; undefined for whatever could be read in two ways: an address
 * that only some programs take for one (`127.1`, `0x7f000001`, `2130706433`, `010.0.0.1`), a name that a resolver folds
 * to another (of any script but ASCII), or of no use in a pattern (a dot at its end, a zone).
 */
function plainHost(given: string): string | undefined {
  const bare = given.startsWith('[') && given.endsWith(']') ? given.slice(1, -1) : given;
  if (isIPv6(bare)) return bare.includes('%') ? undefined : sameIPv6(bare);
  // Before its case is changed: of the sign for Kelvin, which is no K, the lower case is a k.
  if (!/^[A-Za-z0-9_+=-]+(\.[A-Za-z0-9_+=-]+)*$/.test(bare)) return undefined;
  const host = bare.toLowerCase();
  // As URLs have it: what ends in a number is meant as an address. (WHATWG URL, "ends in a number")
  if (/(^|\.)([0-9]+|0x[0-9a-f]*)$/.test(host) && isIP(host) !== 4) return undefined;
  return host;
}

/** All ways to write an IPv6 address as one. */
function sameIPv6(host: string): string {
  return new URL(`http://[${host}]`).hostname.slice(1, -1);
}

/** Without a regular expression: no pattern takes longer than its length times that of the text, twice over. */
function glob(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  /** Where the last `*` and `**` stand, and up to where they reach so far. */
  let star = -1;
  let reach = 0;
  let stars = -1;
  let farReach = 0;
  for (;;) {
    const wanted = pattern[p];
    if (wanted === '*') {
      if (pattern[p + 1] === '*') {
        while (pattern[p] === '*') p++;
        stars = p;
        farReach = t;
        star = -1;
      } else {
        star = ++p;
        reach = t;
      }
    } else if (t === text.length && p === pattern.length) return true;
    else if (t < text.length && (wanted === text[t] || (wanted === '?' && text[t] !== '.'))) {
      p++;
      t++;
    } else if (star >= 0 && reach < text.length && text[reach] !== '.') {
      p = star;
      t = ++reach;
    } else if (stars >= 0 && farReach < text.length) {
      p = stars;
      t = ++farReach;
      star = -1;
    } else return false;
  }
}
