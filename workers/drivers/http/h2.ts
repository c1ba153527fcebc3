import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { KeylaneError } from '../../../src/errors.js';
import type { HttpResponse } from '../../../src/http-types.js';
import type { HttpOrder } from '../../../src/specs/http.js';
import { type ExecuteContext, type NOT_MODIFIED, StreamsExceeded } from '../../../src/types.js';
import { deferred } from '../../../src/util/deferred.js';
import { Answer, type Carrier, notTaken } from './answer.js';
import { lost, notSent } from './execute-errors.js';
import { type Fields, fieldProblem, fieldsOf, written } from './fields.js';
import type { Thrown } from './open-errors.js';
import type { OriginConnection, Route } from './origin-connection.js';

/** Of a body that nobody reads, what may come on one stream. */
const WINDOW_BYTES = 256 << 10;

/**
 * One socket of HTTP/2, with a stream for each request. Node's own client, not undici's: that one lets a POST wait until
 * nothing else is in flight, and of the requests in flight at a GOAWAY it tells one (7.30, client-h2.js).
 */
export class H2Connection implements OriginConnection, Owner {
  /** When the peer has begun to speak HTTP/2, and has said how many streams it takes. */
  readonly settled: Promise<void>;
  readonly #session: ClientHttp2Session;
  readonly #socket: TLSSocket;
  readonly #route: Route;
  readonly #lost: (error: Error) => void;
  readonly #closed: Promise<void>;
  #streams = 0;
  /** Of the streams that were open at a GOAWAY, the last one that the peer looks at. */
  #lastStream = Number.POSITIVE_INFINITY;
  #state: 'open' | 'leaving' | 'closed' = 'open';
  /** Heads and pieces of bodies that came, of whatever stream. */
  heard = 0;

  constructor(socket: TLSSocket, route: Route, lost: (error: Error) => void) {
    this.#socket = socket;
    this.#route = route;
    this.#lost = lost;
    const settled = deferred<void>();
    settled.promise.catch(() => undefined);
    this.settled = settled.promise;
    const session = connect(route.origin, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
    });
    this.#session = session;
    let failure: Error | undefined;
    session.once('remoteSettings', () => settled.resolve());
    session.on('error', (error) => {
      failure = error;
    });
    session.on('goaway', (_code, last) => {
      this.#lastStream = last;
      this.#leave();
    });
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        const says = `${route.origin}: the connection was closed before it was ready${failure ? `: ${failure.message}` : ''}`;
        settled.reject(new KeylaneError('ERR_CONNECT', says, { key: route.origin, cause: failure }));
        this.#leave();
        this.#state = 'closed';
        resolve();
      });
    });
    session.once('close', () => socket.destroy());
  }

  get alive(): boolean {
    return this.#state === 'open' && !this.#session.closed && !this.#session.destroyed;
  }

  execute(order: HttpOrder, context: ExecuteContext): Promise<HttpResponse | typeof NOT_MODIFIED> {
    if (order.bearer === undefined) return this.#start(order, context, undefined);
    return context.ask('secret', order.bearer).then((bearer) => this.#start(order, context, bearer));
  }

  #start(order: HttpOrder, context: ExecuteContext, bearer: string | undefined) {
    const { origin } = this.#route;
    if (context.aborted) throw context.aborted;
    if (!this.alive) throw notSent(origin);
    const most = this.#session.remoteSettings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
    if (this.#streams >= most) throw new StreamsExceeded(Math.max(1, most));
    const problem = fieldProblem(order);
    if (problem !== undefined) throw notTaken(origin, problem);
    const fields = fieldsOf(order, this.#route, context, bearer);
    const input = written(order, context);
    const isBare = input === undefined && (order.body === undefined || order.body.length === 0);
    const headers = headersOf(order, this.#route, fields, isBare || input !== undefined);
    context.sent();
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(headers, { endStream: isBare });
    } catch (error) {
      throw (error as Thrown).code?.startsWith('ERR_HTTP2_GOAWAY')
        ? notSent(origin, error)
        : notTaken(origin, (error as Error).message, error);
    }
    this.#streams++;
    const exchange = new Exchange(order, this.#route, context, fields.asked, stream, this);
    if (input) exchange.write(input);
    else if (!isBare) stream.end(order.body);
    return exchange.answer.promise;
  }

  check(): Promise<boolean> {
    return new Promise((resolve) => {
      if (!this.alive || !this.#session.ping((error) => resolve(error === null))) resolve(false);
    });
  }

  close(): Promise<void> {
    this.#state = 'closed';
    this.#session.destroy();
    this.#socket.destroy();
    return this.#closed;
  }

  /** An exchange is over. Its stream may be closing still: one that comes too early for that waits in nghttp2. */
  freed(): void {
    this.#streams--;
    if (this.#streams === 0 && this.#state === 'leaving') this.#tell();
  }

  /**
   * A request has waited for all of its time, and nothing came for any other either: who is gone without a word looks like
   * this, for as long as TCP tries, and nghttp2 after a peer's fault that it has told the peer of and nobody else. It takes
   * no more requests.
   */
  silent(): void {
    if (this.#state === 'open') this.#state = 'leaving';
  }

  refused(stream: ClientHttp2Stream): boolean {
    return stream.rstCode === constants.NGHTTP2_REFUSED_STREAM || (stream.id ?? 0) > this.#lastStream;
  }

  /** What is in flight may still be answered. */
  #leave(): void {
    if (this.#state !== 'open') return;
    this.#state = 'leaving';
    if (this.#streams === 0) this.#tell();
  }

  #tell(): void {
    this.#state = 'closed';
    this.#lost(new KeylaneError('ERR_CONNECTION_LOST', `${this.#route.origin}: the peer took leave`));
  }
}

/** `lengthUnknown`: the body's length is left out. */
function headersOf(
  order: HttpOrder,
  route: Route,
  { list, host }: Fields,
  lengthUnknown: boolean,
): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = {
    ':method': order.method,
    ':scheme': route.secure ? 'https' : 'http',
    ':authority': host,
    ':path': order.path,
  };
  if (!lengthUnknown && order.body !== undefined) headers['content-length'] = String(Buffer.byteLength(order.body));
  for (let i = 0; i < list.length; i += 2) {
    const name = (list[i] as string).toLowerCase();
    const value = list[i + 1] as string;
    const there = headers[name];
    if (there === undefined || name === 'content-length') headers[name] = value;
    else headers[name] = [there, value].flat();
  }
  return headers;
}

/** What an exchange needs of its connection. */
interface Owner {
  heard: number;
  freed(): void;
  silent(): void;
  /** Did the peer say that it has not looked at this stream, and will not? */
  refused(stream: ClientHttp2Stream): boolean;
}

/** One request and its answer, on a stream of its own. */
class Exchange implements Carrier {
  readonly answer: Answer;
  readonly #stream: ClientHttp2Stream;
  readonly #owner: Owner;
  #over = false;

  constructor(
    order: HttpOrder,
    route: Route,
    context: ExecuteContext,
    asked: boolean,
    stream: ClientHttp2Stream,
    owner: Owner,
  ) {
    this.#stream = stream;
    this.#owner = owner;
    const answer = new Answer(order, route, context, this);
    this.answer = answer;
    const { heard } = owner;
    context.onAbort((reason) => {
      const late = reason instanceof KeylaneError && reason.code === 'ERR_TIMEOUT';
      answer.abort(reason);
      if (late && owner.heard === heard) owner.silent();
    });
    let failure: Thrown | undefined;
    let length = 0;
    stream.on('response', (head) => {
      owner.heard++;
      const { ':status': status = 0, ...rest } = head;
      if (order.method !== 'HEAD' && status !== 304) length = Number(rest['content-length'] ?? 0);
      answer.head(status, { ...rest } as HttpResponse['headers'], asked);
    });
    stream.on('data', (bytes: Buffer) => {
      owner.heard++;
      if (!answer.data(bytes)) stream.pause();
    });
    stream.on('end', () => {
      // Node says so too where the peer has reset the stream, or gone, in the middle of the body.
      const isWhole = stream.rstCode === constants.NGHTTP2_NO_ERROR && !(answer.bytes < length);
      if (answer.state !== 'waiting' && isWhole) answer.end();
    });
    stream.on('error', (error: Thrown) => {
      failure = error;
    });
    stream.on('close', () => {
      const { origin } = route;
      // All of it is here, and is being decoded.
      if (answer.state === 'decoding') return;
      if (answer.state === 'waiting' && owner.refused(stream)) return answer.fail(notSent(origin, failure));
      const bytes = answer.state === 'waiting' ? undefined : answer.bytes;
      const says = `the peer reset the stream (code ${stream.rstCode})`;
      answer.fail(lost({ origin, method: order.method, bytes }, failure ?? new Error(says)));
    });
  }

  /** The body, as its writer writes it and the peer takes it. */
  write(input: AsyncIterable<Uint8Array>): void {
    void this.#pour(input);
  }

  resume(): void {
    this.#stream.resume();
  }

  cut(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  over(): void {
    this.#over = true;
    this.#owner.freed();
  }

  async #pour(input: AsyncIterable<Uint8Array>): Promise<void> {
    const stream = this.#stream;
    for await (const piece of input) {
      if (this.#over || stream.destroyed) return;
      if (stream.write(piece)) continue;
      await new Promise<void>((resolve) => {
        const go = () => {
          stream.off('drain', go).off('close', go);
          resolve();
        };
        stream.once('drain', go).once('close', go);
      });
    }
    if (!stream.destroyed) stream.end();
  }
}
