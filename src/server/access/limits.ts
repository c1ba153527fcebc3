import { z } from 'zod';

/** Bounds of what clients may have of a service, each on its own. */
export interface HttpLimits {
  /** Connections at once; more are closed as they come. @default 10_000 */
  connections?: number;
  /** Of those, from one address (of IPv6: one network of 64 bits). Behind a proxy all come from its address. @default 64 */
  connectionsPerAddress?: number;
  /** Of those, from this machine itself. @default 10_000 */
  connectionsFromLoopback?: number;
  /** Requests on one connection, after which it is closed. @default 100_000 */
  requestsPerConnection?: number;
  /** Milliseconds in which the head of a request must be there. @default 10_000 */
  headersTimeoutMs?: number;
  /**
   * Milliseconds in which its body must be there. Of a body of any length: the longest silence, until the answer has
   * begun. @default 60_000
   */
  bodyTimeoutMs?: number;
  /** Milliseconds until a connection without a request is closed. @default 72_000 */
  keepAliveMs?: number;
  /** Bytes of a body, of requests that do not stream it. @default 1_048_576 */
  bodyBytes?: number;
}

export const HTTP_LIMITS: Readonly<Required<HttpLimits>> = Object.freeze({
  connections: 10_000,
  connectionsPerAddress: 64,
  connectionsFromLoopback: 10_000,
  requestsPerConnection: 100_000,
  headersTimeoutMs: 10_000,
  bodyTimeoutMs: 60_000,
  // Longer than a proxy keeps its own: else it sends a request on what is just being closed.
  keepAliveMs: 72_000,
  bodyBytes: 1_048_576,
});

/** Bytes of the head of a request. */
export const HEADER_BYTES = 16_384;
/** How often the head's deadline is looked at, and the body's. */
export const CHECK_MS = 1_000;

const count = z.int().min(1).max(1_000_000);
const ms = z.int().min(1).max(86_400_000);

export const httpLimitsSchema = z.strictObject({
  connections: count.optional(),
  connectionsPerAddress: count.optional(),
  connectionsFromLoopback: count.optional(),
  requestsPerConnection: count.optional(),
  headersTimeoutMs: ms.optional(),
  bodyTimeoutMs: ms.optional(),
  keepAliveMs: ms.optional(),
  bodyBytes: z.int().min(1_024).max(1_073_741_824).optional(),
});
