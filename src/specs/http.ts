import { KeylaneError } from '../errors.js';
import type { HttpOptions, HttpRequest, HttpResponse } from '../http-types.js';
import { laneOf } from '../routing.js';
import type { Spec } from '../types.js';
import { check } from '../util/check.js';
import { httpRequest } from './http-schema.js';

/** What a lane's connections are opened to: everything that changes a connection, and nothing else. */
export interface HttpTarget {
  /** As URL has it: `https://api.example:8443`. */
  origin: string;
  /** Where to go through. */
  proxy?: {
    host: string;
    port: number;
    user?: string;
    /** A reference. */
    password?: string;
  };
  /** Absolute paths of PEM files. */
  ca?: string;
  cert?: string;
  /** References. */
  key?: string;
  passphrase?: string;
  servername?: string;
  http2?: true;
  /** Networks that may not be connected to, and those that may all the same; looked at by src/util/networks.ts. */
  deny?: 'private' | readonly string[];
  allow?: readonly string[];
  /** Connections of the lane. */
  connections?: number;
}

/** What crosses the wall. */
export interface HttpOrder {
  method: string;
  /** Path and query, as they are sent. */
  path: string;
  /** Names and values in turn, several of one name one after the other. A `host` takes the place of the origin's. */
  headers?: readonly string[];
  body?: string | Uint8Array;
  /** A reference. */
  bearer?: string;
  maxBodyBytes: number;
  events?: true;
  /** The body as bytes. */
  binary?: true;
  /** Redirects that may still be followed: with any left, one that leads on hands out no chunk. */
  redirects?: number;
  /** URLs that led here, for the response. */
  redirected?: readonly string[];
}

/** The `http` spec, with an engine's defaults. They are not checked here: `httpOptions` is their schema. */
export function makeHttpSpec(_options: HttpOptions = {}): Spec<HttpRequest, HttpOrder, HttpResponse> {
  return {
    name: 'http',
    parse(input) {
      const { url, method = 'GET' } = check(httpRequest, input, 'http', 'ERR_INPUT') as HttpRequest;
      if (!URL.canParse(url)) throw new KeylaneError('ERR_INPUT', 'http.url: expected a URL');
      const { origin, pathname, search } = new URL(url);
      const target = { origin };
      return {
        key: origin,
        lane: laneOf(origin, target),
        target,
        request: { method, path: pathname + search, maxBodyBytes: 1_048_576 },
      };
    },
    ok: ({ status }) => (status >= 200 && status < 300) || status === 304,
  };
}
