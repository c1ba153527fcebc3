import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server';

/** A message that a server was sent. */
export interface Mail {
  from: string;
  to: string[];
  text: string;
  user: string | undefined;
  secure: boolean;
}

/** What the server says to a message: words of its 250, an error with a code, or a promise of one of them. */
export type Verdict = (mail: Mail) => string | Error | Promise<string | Error>;

/** npm's smtp-server, which speaks STARTTLS, AUTH and SIZE, on a free port of 127.0.0.1. */
export class MailServer {
  readonly mails: Mail[] = [];
  readonly #server: SMTPServer;
  verdict: Verdict = () => 'queued';

  private constructor(options: SMTPServerOptions) {
    this.#server = new SMTPServer({
      logger: false,
      disableReverseLookup: true,
      closeTimeout: 100,
      ...options,
      onData: (stream, session, callback) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const mail = mailOf(session, Buffer.concat(chunks).toString());
          this.mails.push(mail);
          void Promise.resolve(this.verdict(mail)).then((said) =>
            said instanceof Error ? callback(said) : callback(null, said),
          );
        });
      },
    });
    this.#server.on('error', () => undefined);
  }

  /** By default it wants neither TLS nor a log-in. */
  static async start(options: SMTPServerOptions = {}): Promise<MailServer> {
    const server = new MailServer({ authOptional: true, disabledCommands: ['STARTTLS', 'AUTH'], ...options });
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server.server, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

/** A refusal with its code. */
export function refusal(code: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode: code });
}

function mailOf({ envelope, user, secure }: SMTPServerSession, text: string): Mail {
  const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
  return { from, to: envelope.rcptTo.map(({ address }) => address), text, user: user as string | undefined, secure };
}
