import type { HttpOrder } from '../../../src/specs/http.js';
import type { ExecuteContext } from '../../../src/types.js';
import { CODINGS } from './decoder.js';
import type { Route } from './origin-connection.js';

/** Who asks, where the request does not say. Some services answer nobody without a name. (RFC 9110 § 10.1.5) */
const USER_AGENT = 'keylane';

/** What leaves with a request. */
export interface Fields {
  /** Names and values in turn. */
  list: string[];
  host: string;
  /** The peer was told what version the cache has. */
  asked: boolean;
}

/** The request's own header fields, and those that it leaves to us. */
export function fieldsOf(order: HttpOrder, route: Route, context: ExecuteContext, bearer: string | undefined): Fields {
  const list: string[] = [];
  let { host } = route;
  let named = false;
  let accepts = false;
  let codings = false;
  let conditional = false;
  const { headers = [] } = order;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    switch (name.toLowerCase()) {
      case 'host':
        host = value;
        continue;
      case 'user-agent':
        named = true;
        break;
      case 'accept':
        accepts = true;
        break;
      // A part of a body that was compressed is not compressed.
      case 'range':
      case 'accept-encoding':
        codings = true;
        break;
      case 'if-none-match':
        conditional = true;
        break;
    }
    list.push(name, value);
  }
  if (!named) list.push('user-agent', USER_AGENT);
  if (order.events && !accepts) list.push('accept', 'text/event-stream');
  // Live, bytes are handed on as they come, and what is compressed comes late.
  if (!codings && !context.live) list.push('accept-encoding', CODINGS);
  if (bearer !== undefined) list.push('authorization', `Bearer ${bearer}`);
  const asked = context.etag !== undefined && !conditional;
  if (asked) list.push('if-none-match', context.etag as string);
  return { list, host, asked };
}

/** Methods whose body a stream's caller writes, where the request has none. */
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);

/** What the caller of a stream writes, where that is the request's body. */
export function written(order: HttpOrder, context: ExecuteContext): AsyncIterable<Uint8Array> | undefined {
  return order.body === undefined && !WITHOUT_BODY.has(order.method) ? context.input : undefined;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const PATH = /^[\x21-\xff]+$/;

/** What no request may hold, for a client that does not look. (RFC 9110 § 5.5, § 5.6.2, § 9.1) */
export function fieldProblem({ method, path, headers = [] }: HttpOrder): string | undefined {
  if (!TOKEN.test(method)) return 'invalid method';
  if (!PATH.test(path)) return 'invalid path';
  for (let i = 0; i < headers.length; i += 2) {
    if (!TOKEN.test(headers[i] as string)) return 'invalid header name';
    if (!VALUE.test(headers[i + 1] as string)) return `invalid ${headers[i]} header`;
  }
  return undefined;
}
