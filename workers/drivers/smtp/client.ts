import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import SMTPConnection, { type SMTPConnectionCustomAuthContext } from 'nodemailer/lib/smtp-connection';
import { KeylaneError } from '../../../src/errors.js';
import type { SmtpTarget } from '../../../src/specs/smtp.js';
import { deferred } from '../../../src/util/deferred.js';
import type { Opening } from '../../../src/util/opening.js';
import { printable } from '../../../src/util/printable.js';
import { cutDuring, injected, notSmtp, type Phase, refusedDuring, type Thrown } from './open-errors.js';
import { replyOf } from './reply.js';

/** Room for any EHLO; a greeting or an answer without end is cut there. */
const MOST_REPLY = 64 * 1024;
/** Ours come first: the deadline of the whole opening, which knows its phase. */
const THEIRS_LATER_MS = 60_000;

/** What nodemailer puts on its errors. */
type NodemailerError = Error & {
  code?: string | undefined;
  originalCode?: string | undefined;
  response?: string | undefined;
};

/** What nodemailer's connection keeps to itself, as of 10.6. `checkInside` refuses another. */
interface Inside {
  _socket: Socket;
  _remainder: string;
  _responseQueue: readonly string[];
  _ehloLines?: readonly string[];
  lastServerResponse: string | false;
  _sendCommand(command: string, log?: string): void;
  _upgradeConnection(done: (error: Error | null, secured?: boolean) => void): void;
  _clearPhase(): void;
  _onSocketData: (chunk: Buffer) => void;
  _onSocketError: (error: Error) => void;
  _onSocketClose: () => void;
  _onSocketEnd: () => void;
  _onSocketTimeout: () => void;
  _onConnectionSocketError: (error: Error) => void;
}

/**
 * nodemailer's SMTP connection, from a connected socket to a session that may send mail: greeting, EHLO, TLS. Its way to
 * send, and its pool, are not used.
 *
 * Watched on the way: each command is one line, and names the phase; bytes that came before TLS end it.
 */
export class Client {
  readonly #client: SMTPConnection;
  readonly #inside: Inside;
  readonly #opening: Opening<Phase>;
  readonly #tls: boolean;
  /** Rejects when the connection ends, with what is to be said of it. */
  readonly #ended = deferred<never>();
  #auth: SMTPConnectionCustomAuthContext | undefined = undefined;

  constructor(socket: Socket, target: SmtpTarget, tls: ConnectionOptions, opening: Opening<Phase>) {
    this.#opening = opening;
    this.#tls = target.tls !== 'none';
    this.#ended.promise.catch(() => undefined);
    const patience = opening.left + THEIRS_LATER_MS;
    this.#client = new SMTPConnection({
      connection: socket,
      host: target.host,
      port: target.port,
      ...(target.servername !== undefined && { servername: target.servername }),
      name: target.clientName ?? literal(socket),
      secure: target.tls === 'implicit',
      requireTLS: target.tls === 'starttls',
      ignoreTLS: target.tls === 'none',
      tls,
      connectionTimeout: patience,
      greetingTimeout: patience,
      socketTimeout: patience,
      socketCloseTimeout: 0,
      maxResponseSize: MOST_REPLY,
      logger: false,
      // What `login` hands to a method of our own: a way to send commands and to read their answers.
      customAuth: { [OWN_METHOD]: (auth) => this.#take(auth) },
    });
    this.#inside = checkInside(this.#client);
    this.#watch();
  }

  /** Greeting, EHLO and TLS. */
  async connect(): Promise<void> {
    this.#opening.phase = 'greeting';
    const { promise, resolve, reject } = deferred<void>();
    this.#client.once('error', (error: NodemailerError) => this.#ended.reject(this.#told(error)));
    this.#client.once('end', () => this.#ended.reject(cutDuring(this.#opening.key, this.#opening.phase, undefined)));
    this.#client.connect((error) => (error ? reject(this.#told(error)) : resolve()));
    await this.step(promise);
    // nodemailer goes on after any code of 2xx: a second greeting would be our answer to EHLO. (RFC 5321, 4.3.2)
    const said = String(this.#inside.lastServerResponse);
    if (!said.startsWith('250'))
      throw notSmtp(this.#opening.key, this.#opening.phase, `it said \`${printable(said, 100)}\``);
  }

  /** Lines of EHLO, without the first; none where the server knows HELO only. */
  get ehlo(): readonly string[] {
    return this.#inside._ehloLines ?? [];
  }

  /** Sends a command of the log-in; resolves with its answer. The command is logged and quoted nowhere. */
  async ask(command: string): Promise<string> {
    if (!this.#auth) this.#client.login({ method: OWN_METHOD, user: '-' }, () => undefined);
    // It was not called: the connection has ended, which is what this tells.
    const asked = this.#auth?.sendCommand(command) ?? new Promise<never>(() => undefined);
    return (await this.step(asked)).response;
  }

  /** Hands over the socket: nothing of nodemailer is on it any more. */
  detach(): Socket {
    const inside = this.#inside;
    const { _socket: socket } = inside;
    if (inside._remainder !== '' || inside._responseQueue.length > 0)
      throw notSmtp(this.#opening.key, this.#opening.phase, 'it said more than it was asked');
    inside._clearPhase();
    socket.setTimeout(0);
    socket.removeListener('data', inside._onSocketData);
    socket.removeListener('error', inside._onSocketError);
    socket.removeListener('error', inside._onConnectionSocketError);
    socket.removeListener('close', inside._onSocketClose);
    socket.removeListener('end', inside._onSocketEnd);
    socket.removeListener('timeout', inside._onSocketTimeout);
    return socket;
  }

  /** Ends all of it. */
  destroy(): void {
    this.#client.removeAllListeners();
    this.#client.on('error', () => undefined);
    this.#client.close();
    this.#inside._socket.destroy();
  }

  step<T>(step: Promise<T>): Promise<T> {
    return this.#opening.step(Promise.race([this.#ended.promise, step]));
  }

  #take(auth: SMTPConnectionCustomAuthContext): void {
    this.#auth = auth;
  }

  #watch(): void {
    const inside = this.#inside;
    const opening = this.#opening;
    const send = inside._sendCommand.bind(inside);
    inside._sendCommand = (command, log) => {
      // The last door before the wire, whatever came this far. (PROMISES M10)
      if (/[\r\n]/.test(command)) {
        this.#ended.reject(new KeylaneError('ERR_INPUT', `${opening.key}: a command with a line end in it`));
        return;
      }
      const phase = /^(?:EHLO|HELO|STARTTLS|AUTH)\b/.exec(command)?.[0];
      if (phase !== undefined) opening.phase = phase as Phase;
      send(command, log);
    };
    const upgrade = inside._upgradeConnection.bind(inside);
    inside._upgradeConnection = (done) => {
      // nodemailer drops these bytes and goes on; they are the sign of an attack. (RFC 3207, 6; CVE-2011-0411)
      if (inside._remainder !== '' || inside._responseQueue.length > 0) {
        this.#ended.reject(injected(opening.key));
        return;
      }
      opening.phase = 'TLS';
      upgrade((error, secured) => {
        // After implicit TLS the greeting comes; after STARTTLS it says EHLO again.
        if (!error) opening.phase = 'greeting';
        done(error, secured);
      });
    };
  }

  /** nodemailer's error, in the light of how far it came. */
  #told(error: NodemailerError): KeylaneError {
    const { key, phase } = this.#opening;
    const { response } = error;
    if (response !== undefined && response !== '') {
      const reply = replyOf(response);
      if (!reply || reply.code < 400) return notSmtp(key, phase, `it said \`${printable(response, 100)}\``);
      return refusedDuring(key, phase, reply, this.#tls);
    }
    if (error.code === 'EPROTOCOL') return notSmtp(key, phase, `an answer is longer than ${MOST_REPLY} bytes`);
    // Its own code is one word for all of them.
    const { originalCode } = error;
    const closed = originalCode === undefined && /closed unexpectedly/i.test(error.message);
    if (originalCode !== undefined) error.code = originalCode;
    return cutDuring(key, phase, closed ? undefined : (error as Thrown));
  }
}

const OWN_METHOD = 'KEYLANE';

/** Our end of the connection, as an address literal. (RFC 5321, 4.1.3) */
function literal({ localAddress = '127.0.0.1' }: Socket): string {
  const address = localAddress.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '');
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
}

function checkInside(client: SMTPConnection): Inside {
  const inside = client as unknown as Inside;
  const { _sendCommand, _upgradeConnection, _clearPhase, _remainder, _responseQueue, _onSocketData } = inside;
  const functions = [_sendCommand, _upgradeConnection, _clearPhase, _onSocketData];
  if (functions.some((one) => typeof one !== 'function') || _remainder !== '' || !Array.isArray(_responseQueue))
    throw new KeylaneError('ERR_CONFIG', 'nodemailer is another than the one keylane was made for: install 10.6');
  return inside;
}
