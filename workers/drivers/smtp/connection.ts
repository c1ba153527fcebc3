import type { Socket } from 'node:net';
import { KeylaneError } from '../../../src/errors.js';
import type { SmtpResponse } from '../../../src/smtp-types.js';
import type { SmtpOrder, SmtpTarget } from '../../../src/specs/smtp.js';
import type { ExecuteContext } from '../../../src/types.js';
import type { Clock } from '../../../src/util/clock.js';
import type { Due } from '../../../src/util/deadlines.js';
import { type Deferred, deferred } from '../../../src/util/deferred.js';
import { socketSays } from '../../../src/util/socket-errors.js';
import { type Content, letGo } from './content.js';
import type { Extensions } from './extensions.js';
import { Noop } from './noop.js';
import type { Thrown } from './open-errors.js';
import { Replies, type Reply, told } from './reply.js';
import { Transaction } from './transaction.js';

/** What a polite end gets before the socket is destroyed. */
const CLOSE_MS = 1_000;

/** What is going on between us and the server; at most one at a time. Whoever it is for is told by it. */
export interface Exchange {
  replied(reply: Reply): void;
  /** The socket takes more. */
  drained(): void;
  /** The connection has ended. */
  cut(how: string, cause: Error | undefined): void;
  /** Something came that is no answer. The connection has ended. */
  broken(why: string): void;
  /** `dueAt` of the connection has passed. */
  overdue(): void;
}

/** What all connections of a shard share. */
export interface ConnectionHost {
  readonly clock: Clock;
  /** Calls `overdue` when a connection's `dueAt` has passed. */
  add(connection: SmtpConnection): void;
  watch(dueAt: number): void;
  remove(connection: SmtpConnection): void;
  /** What the server says of a message may ask us to be slower. */
  answered(key: string, response: SmtpResponse, context: ExecuteContext): void;
}

/**
 * One session that may send mail.
 *
 *     open ──▶ closing ──▶ closed
 *
 * open      takes messages, one at a time
 * closing   QUIT is sent
 * closed    the socket is destroyed; whatever was going on has been told
 *
 * An idle one costs this object, its socket and 5 listeners: what logged in is gone by then.
 */
export class SmtpConnection implements Due {
  state: 'open' | 'closing' | 'closed' = 'open';
  /** Of the answer that is waited for. */
  dueAt = Number.POSITIVE_INFINITY;
  /** A message was begun and not ended: the server is to forget it before the next. */
  dirty = false;
  readonly target: SmtpTarget;
  readonly extensions: Extensions;
  readonly host: ConnectionHost;
  readonly #socket: Socket;
  readonly #replies: Replies;
  readonly #lost: (error: Error) => void;
  #exchange: Exchange | undefined = undefined;
  #messages = 0;
  #heardAt: number;
  #gone: Deferred<void> | undefined = undefined;

  /** Of a socket that nobody else listens to. */
  constructor(
    socket: Socket,
    target: SmtpTarget,
    extensions: Extensions,
    host: ConnectionHost,
    lost: (error: Error) => void,
  ) {
    this.#socket = socket;
    this.target = target;
    this.extensions = extensions;
    this.host = host;
    this.#lost = lost;
    this.#heardAt = host.clock.now();
    this.#replies = new Replies(this.#replied, this.#broken);
    socket.removeAllListeners('error');
    socket.on('data', this.#heard);
    socket.on('drain', this.#drained);
    socket.on('error', this.#failed);
    socket.on('end', this.#ended);
    socket.on('close', this.#closed);
    host.add(this);
  }

  /** May it take another message? */
  get reusable(): boolean {
    return this.state === 'open' && this.#messages < this.target.messagesPerConnection;
  }

  send(order: SmtpOrder, content: Content, context: ExecuteContext): Promise<SmtpResponse> {
    if (this.state !== 'open') {
      letGo(content);
      return Promise.reject(this.#notStarted());
    }
    this.#messages++;
    const transaction = new Transaction(this, order, content, context);
    this.#exchange = transaction;
    transaction.start();
    return transaction.result;
  }

  /** Is the server still there? True if it was heard within the time, or once it has answered. */
  check(withinMs: number): Promise<boolean> {
    if (this.state !== 'open') return Promise.resolve(false);
    if (this.host.clock.now() - this.#heardAt <= withinMs) return Promise.resolve(true);
    const noop = new Noop(this);
    this.#exchange = noop;
    noop.start();
    return noop.result;
  }

  /** Ends it politely; resolves when the socket is closed, by force if need be. */
  async close(): Promise<void> {
    if (this.state === 'open' && !this.#exchange) {
      this.state = 'closing';
      this.#socket.end('QUIT\r\n');
    } else if (this.state === 'open') this.end('was closed');
    if (this.#socket.closed) return;
    this.#gone ??= deferred<void>();
    const timer = this.host.clock.timer(CLOSE_MS, () => this.#socket.destroy());
    await this.#gone.promise;
    timer.cancel();
  }

  /** Destroys the socket, and tells whatever is going on. Idempotent. */
  end(how: string, cause?: Error): void {
    if (this.state === 'closed') return;
    const wanted = this.state === 'closing';
    const exchange = this.#exchange;
    this.#destroy();
    if (exchange) exchange.cut(how, cause);
    else if (!wanted) this.#lost(this.#lostError(how, cause));
  }

  // What follows is for its exchange.

  /** Has the server said more, behind the reply that is being told of? */
  get saysMore(): boolean {
    return this.#replies.hasMore;
  }

  /** False where the socket has enough for now: `drained` says when it takes more. */
  write(bytes: string | Uint8Array): boolean {
    return this.#socket.write(bytes);
  }

  /** An answer is to come within the time. */
  expect(ms: number): void {
    this.dueAt = this.host.clock.now() + ms;
    this.host.watch(this.dueAt);
  }

  /** The exchange is over; `destroy`: and so is the connection. */
  over(destroy = false): void {
    this.#exchange = undefined;
    this.dueAt = Number.POSITIVE_INFINITY;
    if (destroy) this.#destroy();
  }

  #destroy(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.dueAt = Number.POSITIVE_INFINITY;
    this.host.remove(this);
    this.#socket.destroy();
  }

  overdue(): void {
    this.dueAt = Number.POSITIVE_INFINITY;
    this.#exchange?.overdue();
  }

  readonly #heard = (chunk: Buffer): void => {
    this.#replies.push(chunk);
  };

  readonly #replied = (reply: Reply): void => {
    if (this.state !== 'open') return;
    this.#heardAt = this.host.clock.now();
    const exchange = this.#exchange;
    if (exchange) exchange.replied(reply);
    else this.end(`was ended by the server: ${told(reply)}`);
  };

  readonly #broken = (why: string): void => {
    if (this.state === 'closed') return;
    const exchange = this.#exchange;
    if (exchange) {
      this.#destroy();
      exchange.broken(why);
    } else this.end(`was given up: ${why}`);
  };

  readonly #drained = (): void => this.#exchange?.drained();

  readonly #failed = (error: Thrown): void => {
    this.end(`was lost (${socketSays(error)})`, error);
  };

  readonly #ended = (): void => {
    if (this.state === 'open') this.end('was closed by the server');
  };

  readonly #closed = (): void => {
    this.end('was closed by the server');
    this.#gone?.resolve();
  };

  #lostError(how: string, cause?: Error): KeylaneError {
    const { key } = this.target;
    return new KeylaneError('ERR_CONNECTION_LOST', `the connection to ${key} ${how}`, { key, cause });
  }

  #notStarted(): KeylaneError {
    const { key } = this.target;
    const message = `the connection to ${key} is closed`;
    return new KeylaneError('ERR_CONNECTION_LOST', message, { key, outcome: 'not_started' });
  }
}
