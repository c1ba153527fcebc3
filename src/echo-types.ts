/** The fixture driver: a peer of fixed latency that answers with the payload, or fails as asked. */
export interface EchoRequest {
  /** Host or account name; picks the shard. */
  key: string;
  /** Anything msgpack can carry. Comes back unchanged. */
  payload?: unknown;
  /** Milliseconds that opening a connection takes. Part of the lane. @default 0 */
  openMs?: number;
  /** Milliseconds until the answer. @default 0 */
  delayMs?: number;
  /**
   * How to go wrong: `failed` the peer answers no · `hang` no answer ever · or a code of docs/errors.md
   * (`ERR_CONNECT` and `ERR_AUTH` while opening, `ERR_CONNECTION_LOST` after the request left, …).
   */
  fault?: EchoFault;
  /** The version of the answer: a peer that is asked with the etag of an older one says that it holds still. */
  etag?: string;
}

export type EchoFault =
  | 'failed'
  | 'hang'
  | 'ERR_DNS'
  | 'ERR_CONNECT'
  | 'ERR_AUTH'
  | 'ERR_HOST_KEY'
  | 'ERR_CONNECTION_LOST'
  | 'ERR_PROTOCOL';

export interface EchoResponse {
  payload: unknown;
  /** There if the peer said no (`fault: 'failed'`). */
  refused?: true;
  etag?: string;
}
