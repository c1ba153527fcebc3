import type { HttpResponse } from '../../../src/http-types.js';
import type { HttpOrder, HttpTarget } from '../../../src/specs/http.js';
import type { Driver } from '../../../src/types.js';
import { type Clock, systemClock } from '../../../src/util/clock.js';
import { openTo } from './connector.js';
import { etagOf, freshFor } from './freshness.js';
import type { OriginConnection } from './origin-connection.js';

/** Streams of an HTTP/2 connection, where the peer allows as many. (RFC 9113 § 6.5.2 asks for no fewer) */
const STREAMS = 100;

/** To one origin, where nobody says. */
const CONNECTIONS = 32;

/** Requests to web servers. A connection serves one request at a time; where HTTP/2 was agreed on, up to a hundred. */
export function load(
  clock: Clock = systemClock,
): Promise<Driver<HttpTarget, OriginConnection, HttpOrder, HttpResponse>> {
  return Promise.resolve({
    streams: ({ http2 }) => (http2 ? STREAMS : 1),
    limits: ({ connections = CONNECTIONS }) => ({ connectionsPerLane: connections }),
    open: (target, context) => openTo(target, context, clock),
    execute: (connection, order, context) => connection.execute(order, context),
    ok: ({ status }) => (status >= 200 && status < 300) || status === 304,
    etag: etagOf,
    ttlMs: freshFor,
    reusable: (connection) => connection.alive,
    check: (connection, withinMs) => connection.check(withinMs),
    close: (connection) => connection.close(),
  });
}
