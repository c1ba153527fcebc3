import type { HttpResponse } from '../../../src/http-types.js';
import type { HttpOrder } from '../../../src/specs/http.js';
import type { ExecuteContext, NOT_MODIFIED } from '../../../src/types.js';

/** A connection to an origin, whichever version of HTTP is spoken on it. */
export interface OriginConnection {
  /** False once it can serve no further request. */
  readonly alive: boolean;
  execute(order: HttpOrder, context: ExecuteContext): Promise<HttpResponse | typeof NOT_MODIFIED>;
  check(withinMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Where a connection leads, as its requests say it. */
export interface Route {
  /** The key. */
  readonly origin: string;
  /** What `host` or `:authority` is, where the request says no other. */
  readonly host: string;
  readonly secure: boolean;
  /** Where each request is sent to a proxy, which passes it on. (RFC 9112 § 3.2.2) */
  readonly forward?: { readonly proxy: string; readonly authorization: string | undefined };
}
