import type { HttpOptions, HttpRequest, HttpResponse } from '../http-types.js';
import type { Parsed, Spec } from '../types.js';
import { check } from '../util/check.js';
import { retryAfterMs } from '../util/retry-after.js';
import { isIdempotent, orderOf } from './http-orders.js';
import { type HttpLane, Origins } from './http-origins.js';
import { plainPathAt, plainRequest } from './http-plain.js';
import { followed } from './http-redirects.js';
import { httpRequest } from './http-schema.js';
import { urlProblem } from './http-texts.js';

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
export function makeHttpSpec(options: HttpOptions = {}): Spec<HttpRequest, HttpOrder, HttpResponse> {
  const origins = new Origins(options);
  return {
    name: 'http',

    parse(input) {
      const plain = plainRequest(input);
      if (plain) {
        const at = plainPathAt(plain.url);
        const known = at > 0 ? origins.known(plain.url.slice(0, at)) : undefined;
        if (known) return parsed(known, orderOf(plain, plain.url.slice(at), options));
      }
      const request =
        plain && !urlProblem(plain.url) ? plain : (check(httpRequest, input, 'http', 'ERR_INPUT') as HttpRequest);
      const url = new URL(request.url);
      return parsed(origins.of(url, request), orderOf(request, url.pathname + url.search, options));
    },

    ok: ({ status }) => (status >= 200 && status < 300) || status === 304,

    follow: (response, from) => followed(response, from, origins),

    /** Only of what may be sent twice: a server that says 503 may have done a part of it. */
    again({ status, headers }, { request }) {
      if ((status !== 429 && status !== 503) || !isIdempotent(request.method)) return undefined;
      return retryAfterMs([headers['retry-after']].flat()[0], [headers.date].flat()[0]);
    },
  };
}

function parsed({ key, lane, target }: HttpLane, request: HttpOrder): Parsed<HttpOrder> {
  return { key, lane, target, request, idempotent: isIdempotent(request.method) };
}
