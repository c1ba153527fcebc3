import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { type buildConnector, Client, type Dispatcher, util } from 'undici';
import { KeylaneError } from '../../../src/errors.js';
import type { HttpResponse } from '../../../src/http-types.js';
import type { HttpOrder } from '../../../src/specs/http.js';
import { type ExecuteContext, type NOT_MODIFIED, StreamsExceeded } from '../../../src/types.js';
import { Answer, type Carrier, notTaken } from './answer.js';
import { broken, lost, notSent } from './execute-errors.js';
import { fieldsOf, written } from './fields.js';
import type { Thrown } from './open-errors.js';
import type { OriginConnection, Route } from './origin-connection.js';

/** undici's own idea of how long a connection may be idle; the pool has its own, and a peer's `keep-alive` goes before. */
const LONG_MS = 3_600_000;
const MOST_HEAD_BYTES = 64 << 10;
/** The origin that undici is told: the socket is there already, and every request says its own host. */
const NOWHERE = 'http://origin.invalid';

/** One socket of HTTP/1.1 and the undici client that speaks on it, one request at a time. */
export class H1Connection implements OriginConnection, Owner {
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #route: Route;
  readonly #lost: (error: Error) => void;
  readonly #closed: Promise<void>;
  #state: 'idle' | 'asked' | 'closing' = 'idle';
  #handedOver = false;
  /** The first that the socket said; undici tells the last one. */
  #failure: Thrown | undefined = undefined;

  constructor(socket: Socket, route: Route, lost: (error: Error) => void) {
    this.#socket = socket;
    this.#route = route;
    this.#lost = lost;
    socket.on('error', (error) => {
      this.#failure ??= error;
    });
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        resolve();
        this.#ended();
      });
    });
    this.#client = new Client(NOWHERE, {
      connect: (_options, call) => this.#handOver(call),
      pipelining: 1,
      keepAliveTimeout: LONG_MS,
      keepAliveMaxTimeout: LONG_MS,
      maxHeaderSize: MOST_HEAD_BYTES,
      // The request's deadline counts.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    // A client connects when it is asked for something. From now on it reads, so that a peer who ends the connection, or
    // says what it was not asked for, is noticed while nothing is asked.
    this.#client.dispatch(NOTHING, TAKE_IT);
  }

  get alive(): boolean {
    return this.#state === 'idle' && !this.#socket.destroyed;
  }

  execute(order: HttpOrder, context: ExecuteContext): Promise<HttpResponse | typeof NOT_MODIFIED> {
    if (order.bearer === undefined) return this.#start(order, context, undefined);
    return context.ask('secret', order.bearer).then((bearer) => this.#start(order, context, bearer));
  }

  /** undici reads while nothing is asked, so an end that has come is known. */
  check(): Promise<boolean> {
    return Promise.resolve(this.alive);
  }

  close(): Promise<void> {
    this.#state = 'closing';
    this.#socket.destroy();
    // Not waited for: it has no part in the socket's end.
    this.#client.destroy().catch(() => undefined);
    return this.#closed;
  }

  #start(order: HttpOrder, context: ExecuteContext, bearer: string | undefined) {
    if (context.aborted) throw context.aborted;
    if (this.#state === 'asked') throw new StreamsExceeded(1);
    const { forward, origin } = this.#route;
    if (!this.alive) throw notSent(origin);
    const { method } = order;
    const { list, host, asked } = fieldsOf(order, this.#route, context, bearer);
    list.push('host', host);
    if (forward?.authorization !== undefined) list.push('proxy-authorization', forward.authorization);
    const input = written(order, context);
    this.#state = 'asked';
    const exchange = new Exchange(order, this.#route, context, asked, this);
    this.#client.dispatch(
      {
        path: forward ? origin + order.path : order.path,
        method: method as Dispatcher.HttpMethod,
        headers: list,
        body: input ? Readable.from(input, { objectMode: false }) : (order.body ?? null),
      },
      exchange,
    );
    return exchange.answer.promise;
  }

  get failure(): Thrown | undefined {
    return this.#failure;
  }

  freed(): void {
    if (this.#state !== 'asked') return;
    // Answered before all of it has left (a 413): what is behind would wait for a body that nobody wants. (RFC 9112 § 9.5)
    this.#state = this.#socket.writableLength === 0 ? 'idle' : 'closing';
  }

  #handOver(call: buildConnector.Callback): void {
    // undici does not go on where it is answered at once; and asked again, the socket that there was is gone.
    queueMicrotask(() => {
      if (this.#handedOver || this.#socket.destroyed) {
        call(notSent(this.#route.origin), null);
      } else {
        this.#handedOver = true;
        call(null, this.#socket);
      }
    });
  }

  #ended(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'closing';
    this.#lost(new KeylaneError('ERR_CONNECTION_LOST', `${this.#route.origin}: closed while nothing was asked`));
  }
}

const NOTHING: Dispatcher.DispatchOptions = { path: '/', method: 'GET' };

/** Has undici take its socket, and sends nothing: a throw at this point is how undici is told not to write. */
const TAKE_IT: Dispatcher.DispatchHandler = {
  onConnect() {
    throw new Error('nothing is to be sent');
  },
  onHeaders: () => true,
  onData: () => true,
  onComplete() {},
  onError() {},
};

/** What an exchange needs of its connection. */
interface Owner {
  readonly failure: Thrown | undefined;
  freed(): void;
}

/** One request and its answer, as undici tells of them. */
class Exchange implements Dispatcher.DispatchHandler, Carrier {
  readonly answer: Answer;
  readonly #route: Route;
  readonly #context: ExecuteContext;
  readonly #method: string;
  readonly #asked: boolean;
  readonly #owner: Owner;
  #abort: ((error?: Error) => void) | undefined = undefined;
  #resume: (() => void) | undefined = undefined;
  #headed = false;
  /** By its status there is no body, whatever its head says of a length: of a 304 that is the version's. (RFC 9110 § 8.6) */
  #isBare = false;

  constructor(order: HttpOrder, route: Route, context: ExecuteContext, asked: boolean, owner: Owner) {
    this.#route = route;
    this.#context = context;
    this.#method = order.method;
    this.#asked = asked;
    this.#owner = owner;
    this.answer = new Answer(order, route, context, this);
    context.onAbort((reason) => this.answer.abort(reason));
  }

  /** Just before it is written. */
  onConnect(abort: (error?: Error) => void): void {
    // undici writes nothing then, and keeps the connection.
    if (this.answer.state === 'over') throw new Error('called off');
    this.#abort = abort;
    this.#context.sent();
  }

  onHeaders(status: number, headers: Buffer[], resume: () => void): boolean {
    if (status < 200) return true;
    this.#resume = resume;
    this.#headed = true;
    this.#isBare = status === 304 || status === 204;
    this.answer.head(status, util.parseHeaders(headers), this.#asked);
    return true;
  }

  onData(bytes: Buffer): boolean {
    return this.answer.data(bytes);
  }

  onComplete(): void {
    this.answer.end();
  }

  onError(error: Thrown): void {
    // undici misses the body, and has ended the connection.
    if (this.#isBare && error.code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') this.answer.end();
    else this.answer.fail(this.#said(error));
  }

  resume(): void {
    this.#resume?.();
  }

  cut(): void {
    this.#abort?.();
  }

  over(): void {
    this.#owner.freed();
  }

  #said(error: Thrown): Error {
    const { origin } = this.#route;
    if (error instanceof KeylaneError) return error;
    if (!this.#abort) {
      const isBad = error.code === 'UND_ERR_INVALID_ARG' || error.code === 'UND_ERR_NOT_SUPPORTED';
      return isBad ? notTaken(origin, error.message, error) : notSent(origin, error);
    }
    const { code = '' } = error;
    if (code === 'UND_ERR_HEADERS_OVERFLOW')
      return broken(origin, `the head of its answer is larger than ${MOST_HEAD_BYTES} bytes`, error);
    if (error.name === 'HTTPParserError') {
      // `Response does not match the HTTP/1.1 protocol (Expected HTTP/)`: what is in brackets is what it stumbled over.
      const why = /\((.*)\)$/s.exec(error.message)?.[1] ?? error.message;
      return broken(origin, `it does not speak HTTP/1.1: ${why}`, error);
    }
    // Before there is a body its length cannot be missed: the parser stumbled over what the head says of it.
    if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' && !this.#headed)
      return broken(origin, 'it does not speak HTTP/1.1: contradictory Content-Length or Transfer-Encoding', error);
    if (code === 'UND_ERR_SOCKET' && /^bad /.test(error.message))
      return broken(origin, `${error.message}: a protocol switch, or a 100 that nobody asked for`, error);
    // undici's own check of it, which a parser in front of it lets through.
    if (code === 'ERR_ASSERTION' && error.message.includes('statusCode'))
      return broken(origin, 'it does not speak HTTP/1.1: its status is none', error);
    const bytes = this.#headed ? this.answer.bytes : undefined;
    return lost({ origin, method: this.#method, bytes }, this.#owner.failure ?? error);
  }
}
