import type { FileHandle } from 'node:fs/promises';
import { KeylaneError } from '../../../src/errors.js';
import type { SmtpResponse } from '../../../src/smtp-types.js';
import type { SmtpOrder } from '../../../src/specs/smtp.js';
import type { ExecuteContext } from '../../../src/types.js';
import { Body } from './body.js';
import type { Exchange, SmtpConnection } from './connection.js';
import { type Content, letGo } from './content.js';
import { commandsOf } from './envelope.js';
import { PIECE_BYTES, piecesOf, readingOf } from './pieces.js';
import { type Reply, told, type Words, wordsOf } from './reply.js';

/** What a server may take over an answer; over the last one, when it has the message. (RFC 5321, 4.5.3.2) */
const ANSWER_MS = 60_000;
const END_ANSWER_MS = 300_000;

type Step = 'RSET' | 'MAIL' | 'RCPT' | 'DATA' | 'body' | 'end' | 'nobody';

/**
 * One message.
 *
 *     [RSET ▶] MAIL ▶ RCPT … ▶ DATA ▶ body ▶ end
 *                                └──▶ nobody
 *
 * RSET, MAIL, RCPT, DATA   the answer to it is waited for. Where the server has PIPELINING all four are sent at once.
 * body     DATA is taken, pieces go out
 * end      the last piece has been handed to the socket: the server may have the message from here on
 * nobody   DATA was taken though no recipient was: an empty message is ended, and the answer is of no interest
 *
 * Written here, and not left to nodemailer, for its price: 29 µs of CPU a message of 2 kB in place of 49, half of it the
 * kernel's, because nothing is made for a message but this object, its commands and its bytes. And for what it must tell
 * apart: whether the end of the message may have left, which nodemailer does not say.
 */
export class Transaction implements Exchange {
  readonly result: Promise<SmtpResponse>;
  readonly #connection: SmtpConnection;
  readonly #order: SmtpOrder;
  readonly #content: Content;
  readonly #context: ExecuteContext;
  readonly #accepted: string[] = [];
  readonly #rejected: SmtpResponse['rejected'] = [];
  #commands: string[] = [];
  #step: Step = 'MAIL';
  #answered = 0;
  /** Of MAIL, where the answers to what was sent with it are still to come. */
  #refused: Reply | undefined = undefined;
  #settled = false;
  #onDrain: (() => void) | undefined = undefined;
  #resolve!: (response: SmtpResponse) => void;
  #reject!: (error: unknown) => void;

  constructor(connection: SmtpConnection, order: SmtpOrder, content: Content, context: ExecuteContext) {
    this.#connection = connection;
    this.#order = order;
    this.#content = content;
    this.#context = context;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  start(): void {
    const { extensions, target, dirty } = this.#connection;
    const { aborted } = this.#context;
    try {
      if (aborted) throw aborted;
      this.#commands = commandsOf(this.#order, this.#content, extensions, target.key);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#context.onAbort((reason) => {
      this.#connection.over(true);
      this.#fail(reason);
    });
    this.#step = dirty ? 'RSET' : 'MAIL';
    this.#connection.dirty = true;
    const reset = dirty ? 'RSET\r\n' : '';
    if (extensions.pipelining) this.#connection.write(`${reset}${this.#commands.join('')}DATA\r\n`);
    else this.#connection.write(reset || (this.#commands[0] as string));
    this.#await();
  }

  replied(reply: Reply): void {
    if (reply.code === 421) this.#closing(reply);
    else if (EXPECTED[this.#step].includes(kindOf(reply))) this.#take(reply);
    else this.#odd(reply);
  }

  #take(reply: Reply): void {
    switch (this.#step) {
      case 'RSET':
        this.#step = 'MAIL';
        this.#next(this.#commands[0] as string);
        break;
      case 'MAIL':
        this.#mailAnswered(reply);
        break;
      case 'RCPT':
        this.#rcptAnswered(reply);
        break;
      case 'DATA':
        this.#dataAnswered(reply);
        break;
      case 'body':
        // It does not want the rest, and there is no other way to stop.
        this.#connection.over(true);
        this.#finish(wordsOf(reply), 'DATA');
        break;
      case 'end':
        this.#connection.dirty = false;
        this.#finish(wordsOf(reply), reply.code < 300 ? undefined : 'DATA');
        break;
      case 'nobody':
        this.#connection.dirty = false;
        this.#allRejected();
    }
  }

  drained(): void {
    this.#onDrain?.();
  }

  cut(how: string, cause: Error | undefined): void {
    const { key } = this.#connection.target;
    const mayHaveIt = this.#step === 'end';
    const when = mayHaveIt
      ? "after the end of the message and before the server's answer: the server may have it, so it is not sent again by itself"
      : `before the end of the message (${this.#step}): nothing was sent`;
    this.#fail(
      new KeylaneError('ERR_CONNECTION_LOST', `${key}: the connection ${how}, ${when}`, {
        key,
        outcome: mayHaveIt ? 'unknown' : 'not_started',
        cause,
      }),
    );
  }

  broken(why: string): void {
    const { key } = this.#connection.target;
    const outcome = this.#step === 'end' ? 'unknown' : 'not_started';
    const message = `${key}: no answer to ${this.#awaited()}: ${why}`;
    this.#fail(new KeylaneError('ERR_PROTOCOL', message, { key, outcome, retryable: false }));
  }

  overdue(): void {
    const { key } = this.#connection.target;
    const mayHaveIt = this.#step === 'end';
    const what = `${key}: no answer to ${this.#awaited()} within ${this.#patience()} ms (replyTimeoutMs)`;
    const message = mayHaveIt ? `${what}: the server may have the message` : what;
    const outcome = mayHaveIt ? 'unknown' : 'not_started';
    this.#connection.over(true);
    this.#fail(new KeylaneError('ERR_TIMEOUT', message, { key, outcome }));
  }

  #mailAnswered(reply: Reply): void {
    const { pipelining } = this.#connection.extensions;
    if (reply.code >= 400) {
      // It knows of no message, so nothing is to be forgotten. What was sent with it is answered first.
      this.#connection.dirty = false;
      this.#refused = reply;
      if (!pipelining) {
        this.#finish(wordsOf(reply), 'MAIL');
        return;
      }
    }
    this.#step = 'RCPT';
    this.#next(this.#commands[1] as string);
  }

  #rcptAnswered(reply: Reply): void {
    const { to } = this.#order;
    const address = to[this.#answered++] as string;
    if (reply.code < 300) this.#accepted.push(address);
    else if (!this.#refused) this.#rejected.push({ address, ...wordsOf(reply) });
    const { pipelining } = this.#connection.extensions;
    if (this.#answered < to.length) this.#next(this.#commands[this.#answered + 1] as string);
    else if (!pipelining && this.#accepted.length === 0) this.#allRejected();
    else {
      this.#step = 'DATA';
      this.#next('DATA\r\n');
    }
  }

  #dataAnswered(reply: Reply): void {
    const taken = reply.code < 400;
    if (this.#refused) {
      // A server that takes DATA for a sender it has refused is not to be trusted with an end of it.
      if (taken) this.#connection.over(true);
      this.#finish(wordsOf(this.#refused), 'MAIL');
    } else if (this.#accepted.length > 0) {
      if (taken) this.#begin();
      else this.#finish(wordsOf(reply), 'DATA');
    } else if (taken) {
      this.#step = 'nobody';
      this.#connection.write('.\r\n');
      this.#await();
    } else this.#allRejected();
  }

  #begin(): void {
    // What it says behind this cannot be about a message that it has not got.
    if (this.#connection.saysMore) {
      this.#connection.over(true);
      this.broken('the server said more than it was asked, before it was sent the message');
      return;
    }
    const { source } = this.#content;
    if (source instanceof Uint8Array && source.length <= PIECE_BYTES) {
      this.#last(new Body(), source);
      return;
    }
    this.#step = 'body';
    this.#await();
    this.#send(source).catch((error: unknown) => {
      if (this.#settled) return;
      this.#connection.over(true);
      this.#fail(error);
    });
  }

  /** A long one, as fast as the socket takes it. */
  async #send(source: Uint8Array | FileHandle): Promise<void> {
    const body = new Body();
    for await (const piece of source instanceof Uint8Array ? piecesOf(source) : readingOf(source)) {
      if (this.#settled) return;
      if (!this.#connection.write(body.take(piece, false))) await this.#drain();
      this.#await();
    }
    if (!this.#settled) this.#last(body, NOTHING);
  }

  /** The end: from here on the server may have it. */
  #last(body: Body, piece: Uint8Array): void {
    this.#step = 'end';
    this.#context.sent();
    this.#connection.write(body.take(piece, true));
    this.#await();
  }

  #drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrain = () => {
        this.#onDrain = undefined;
        resolve();
      };
    });
  }

  /** Waits for the next answer; says the command first, where not all were said at once. */
  #next(command: string): void {
    if (!this.#connection.extensions.pipelining) this.#connection.write(command);
    this.#await();
  }

  #await(): void {
    this.#connection.expect(this.#patience());
  }

  #patience(): number {
    return this.#connection.target.replyTimeoutMs ?? (this.#step === 'end' ? END_ANSWER_MS : ANSWER_MS);
  }

  #awaited(): string {
    return this.#step === 'end' || this.#step === 'body' ? 'the message' : this.#step;
  }

  /** 421: whatever it was asked, it closes. (RFC 5321, 3.8) */
  #closing(reply: Reply): void {
    const step = this.#step;
    this.#connection.over(true);
    this.#finish(wordsOf(reply), step === 'RSET' ? 'MAIL' : step === 'MAIL' || step === 'RCPT' ? step : 'DATA');
  }

  /** The step is not one that this answers. */
  #odd(reply: Reply): void {
    this.#connection.over(true);
    this.broken(`the server said \`${told(reply)}\` to it`);
  }

  /** A refusal that may be gone tomorrow tells more than one that stays. */
  #allRejected(): void {
    const rejected = this.#rejected;
    const { address: _, ...words } = rejected.find(({ code }) => code < 500) ?? rejected.at(-1)!;
    this.#finish(words, 'RCPT');
  }

  /** `step`: what was refused; nobody has the message then. */
  #finish(words: Words, step: SmtpResponse['step']): void {
    if (this.#settled) return;
    const { messageId } = this.#order;
    const response: SmtpResponse = {
      ...words,
      ...(step !== undefined && { step }),
      accepted: step === undefined ? this.#accepted : [],
      rejected: this.#rejected,
      ...(messageId !== undefined && { messageId }),
    };
    const { host, target } = this.#connection;
    this.#end();
    host.answered(target.key, response, this.#context);
    this.#resolve(response);
  }

  #fail(error: unknown): void {
    if (this.#settled) return;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#settled = true;
    this.#context.onAbort(undefined);
    this.#connection.over();
    this.#onDrain?.();
    letGo(this.#content);
  }
}

/** First digits of answers that can come to each step. */
const EXPECTED: Readonly<Record<Step, readonly number[]>> = {
  RSET: [2],
  MAIL: [2, 4, 5],
  RCPT: [2, 4, 5],
  DATA: [3, 4, 5],
  body: [4, 5],
  end: [2, 4, 5],
  nobody: [2, 4, 5],
};

function kindOf({ code }: Reply): number {
  return Math.floor(code / 100);
}

const NOTHING = new Uint8Array(0);
