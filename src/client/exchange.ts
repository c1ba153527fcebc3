import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { KeylaneError } from '../errors.js';
import type { Clock, Timer } from '../util/clock.js';
import { deferred } from '../util/deferred.js';

/** As for every connection of keylane. */
const CONNECT_MS = 10_000;

/** What of the request has left: nothing (no connection) · not enough for the service to begin · all that it needs to begin. */
export type Departed = 'nothing' | 'part' | 'all';

/** What an exchange is told of its request. */
export interface ExchangeOptions {
  clock: Clock;
  /** As errors name the service. */
  origin: string;
  /** False: the request changes nothing, so whatever becomes of it, nothing has run. */
  runs: boolean;
}

/**
 * One HTTP request and its answer, and what is known of the request where the answer does not come.
 *
 *     nothing ──connected──▶ part ──the kernel has all of it──▶ all ──headers──▶ answered ──▶ ended
 *
 * Before `all` the service cannot have begun: it reads a body to its end first, or (`isUnderWay`) its first line.
 */
export class Exchange {
  /** The answer's headers are there. */
  readonly answered: Promise<IncomingMessage>;
  readonly request: ClientRequest;
  readonly #options: ExchangeOptions;
  readonly #answer = deferred<IncomingMessage>();
  #departed: Departed = 'nothing';
  #connecting: Timer | undefined = undefined;
  /** Why it was cut from this side. */
  #why: KeylaneError | undefined = undefined;
  #hasAnswer = false;
  #hasClosed = false;

  constructor(request: ClientRequest, options: ExchangeOptions) {
    this.request = request;
    this.#options = options;
    this.answered = this.#answer.promise;
    this.answered.catch(() => {});
    const failed = (cause?: Error) => this.#lost(cause);
    request.once('socket', (socket: Socket) => this.#on(socket));
    request.once('finish', () => this.isUnderWay());
    request.once('response', (answer: IncomingMessage) => {
      this.#hasAnswer = true;
      // What is lost from here on, whoever reads it hears.
      answer.on('error', () => {});
      this.#answer.resolve(answer);
    });
    request.on('error', failed);
    request.once('close', () => {
      this.#hasClosed = true;
      failed();
    });
  }

  /** Enough has left for the service to begin. */
  isUnderWay(): void {
    this.#departed = 'all';
  }

  /** May it be sent once more? It cannot have begun, or doing it twice does no harm; and this connection may just have been too old. */
  mayGoAgain(isIdempotent: boolean): boolean {
    return (
      this.request.reusedSocket &&
      !this.#hasAnswer &&
      this.#why === undefined &&
      (isIdempotent || this.#departed !== 'all')
    );
  }

  /** Ends it from this side; `error` as if nothing were known of the request. */
  cut(error: KeylaneError): void {
    if (this.#why !== undefined) return;
    this.#why = this.inTheLight(error);
    this.#answer.reject(this.#why);
    this.request.destroy();
  }

  /** Of a connection that was lost, or cut: what that means for the request. */
  errorOf(cause: Error | undefined): KeylaneError {
    if (this.#why) return this.#why;
    const { origin } = this.#options;
    const code = cause !== undefined && 'code' in cause ? String(cause.code) : '';
    const says = cause?.message ?? 'it closed the connection';
    if (this.#departed === 'nothing') return cannotReach(origin, code, cause);
    // What Node's parser says of what is not HTTP.
    if (code.startsWith('HPE_'))
      return this.inTheLight(new KeylaneError('ERR_PROTOCOL', `${origin} does not answer as HTTP: ${says}`, { cause }));
    return this.inTheLight(
      new KeylaneError('ERR_CONNECTION_LOST', `the connection to ${origin} was lost: ${says}`, { cause }),
    );
  }

  /** The same error, with what is known of the request. */
  inTheLight({ code, message, cause }: KeylaneError): KeylaneError {
    if (code === 'ERR_CANCELED') return new KeylaneError(code, message, { cause });
    const outcome = this.#options.runs && this.#departed === 'all' ? 'unknown' : 'not_started';
    return new KeylaneError(code, message, { outcome, cause });
  }

  #on(socket: Socket): void {
    if (!socket.connecting) {
      // Used before.
      this.#connected();
      return;
    }
    const { clock, origin } = this.#options;
    this.#connecting = clock.timer(CONNECT_MS, () =>
      this.cut(new KeylaneError('ERR_CONNECT', `no connection to ${origin} within ${CONNECT_MS / 1_000} s`)),
    );
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => this.#connected());
  }

  #connected(): void {
    this.#connecting?.cancel();
    if (this.#departed === 'nothing') this.#departed = 'part';
  }

  #lost(cause: Error | undefined): void {
    this.#connecting?.cancel();
    if (!this.#hasAnswer) this.#answer.reject(this.errorOf(cause));
  }

  /** Nothing of it is left. */
  get isOver(): boolean {
    return this.#hasClosed;
  }
}

function cannotReach(origin: string, code: string, cause: Error | undefined): KeylaneError {
  const says = cause?.message || code || 'it closed the connection';
  const what = `${origin} cannot be reached: ${says}`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return new KeylaneError('ERR_DNS', what, { cause });
  if (!isCertificate(code)) return new KeylaneError('ERR_CONNECT', what, { cause });
  const fix = 'give the certificate of its authority as `ca`';
  return new KeylaneError('ERR_CONNECT', `${what}: ${fix}`, { retryable: false, cause });
}

/** As OpenSSL and Node name what is wrong with a certificate. */
function isCertificate(code: string): boolean {
  return /CERT|^ERR_TLS_|^UNABLE_TO_/.test(code);
}
