import { isIP } from 'node:net';
import { KeylaneError } from '../errors.js';
import type { HttpOptions, HttpRequest } from '../http-types.js';
import { laneOf } from '../routing.js';
import { deniedBy } from '../util/networks.js';
import type { HttpTarget } from './http.js';
import { ACCESS, type Access, merged, reachedBy } from './http-access.js';

export interface HttpLane {
  key: string;
  lane: string;
  target: HttpTarget;
}

/** Makes the lanes of requests, and remembers those of requests that say nothing of how their origin is reached. */
export class Origins {
  readonly #options: HttpOptions;
  /** By the head of a URL, as it was written. */
  readonly #known = new Map<string, HttpLane>();

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** `head`: the scheme and the authority of a URL, as `https://api.example:8443`. */
  known(head: string): HttpLane | undefined {
    return this.#known.get(head);
  }

  /** Throws `ERR_INPUT` where the request says what the configuration says, `ERR_DENIED` where its address is denied. */
  of(url: URL, request: HttpRequest): HttpLane {
    const configured = this.#configured(url.origin);
    const said = ACCESS.find((field) => request[field] !== undefined);
    if (said !== undefined && configured)
      throw new KeylaneError(
        'ERR_INPUT',
        `http.${said}: how ${url.origin} is reached is configured (http.origins); leave the field out`,
        { key: url.origin },
      );
    const lane = this.#make(url, said === undefined ? NOTHING : request, configured !== undefined);
    if (said === undefined) this.#remember(request.url, lane);
    return lane;
  }

  /**
   * Of another origin, to which a redirect leads. What `from` was reached by goes with it as far as it is no credential; and
   * what the configuration frees of `deny` it frees for those only who ask for it by name, or were sent by another of those.
   */
  after(url: URL, from: HttpTarget): HttpLane {
    const isOurs = this.#configured(from.origin) !== undefined;
    const isFree = isOurs && from.deny === undefined;
    const { proxy, ca, http2 } = from;
    const lane = this.#make(url, NOTHING, isFree && this.#configured(url.origin) !== undefined);
    if (isOurs || this.#configured(url.origin)) return lane;
    const target: HttpTarget = { ...lane.target };
    if (proxy) {
      target.proxy = proxy;
      if (this.#options.deny !== undefined && !isSame(proxy, lane.target.proxy)) this.#deny(target);
    }
    if (url.protocol === 'https:') {
      if (ca !== undefined) target.ca = ca;
      if (http2) target.http2 = true;
    }
    return { key: url.origin, lane: laneOf(url.origin, target), target };
  }

  #make(url: URL, said: Access, isFree: boolean): HttpLane {
    const { origin, protocol, hostname } = url;
    const configured = this.#configured(origin);
    const { deny, allow } = this.#options;
    const access = merged(this.#options, configured ?? said);
    const target: HttpTarget = { origin, ...reachedBy(access, protocol === 'https:') };
    const connections = configured?.connections ?? this.#options.connections;
    if (connections !== undefined) target.connections = connections;
    if (deny !== undefined && !isFree) {
      const address = hostname.replace(/^\[|\]$/g, '');
      const network = isIP(address) === 0 ? undefined : deniedBy(address, { deny, allow });
      if (network !== undefined)
        throw new KeylaneError(
          'ERR_DENIED',
          `${origin}: ${address} lies in ${network}, where nothing may connect to (http.deny); configure the origin (http.origins) or the network (http.allow) if it is meant`,
          { key: origin },
        );
      // What is connected to is a proxy of the configuration then, which looks up the name: it may be where it likes.
      if (access.proxy === undefined || access.proxy === said.proxy) this.#deny(target);
    }
    return { key: origin, lane: laneOf(origin, target), target };
  }

  #deny(target: HttpTarget): void {
    const { deny, allow } = this.#options;
    if (deny !== undefined) target.deny = deny;
    if (allow !== undefined && allow.length > 0) target.allow = allow;
  }

  #configured(origin: string): NonNullable<HttpOptions['origins']>[string] | undefined {
    const { origins } = this.#options;
    return origins && Object.hasOwn(origins, origin) ? origins[origin] : undefined;
  }

  #remember(url: string, lane: HttpLane): void {
    const at = url.indexOf('/', 8);
    const head = url.slice(0, Math.max(0, at));
    if (!HEAD.test(head)) return;
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    // A copy: a slice would keep the whole URL.
    this.#known.set(Buffer.from(head).toString(), lane);
  }
}

const NOTHING: Access = Object.freeze({}) as Access;
/** A crawler that meets more origins than this pays for their lanes anew. */
const MOST_KNOWN = 32_768;
const HEAD = /^https?:\/\/[A-Za-z0-9._:[\]-]+$/;

function isSame(one: HttpTarget['proxy'], other: HttpTarget['proxy']): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
