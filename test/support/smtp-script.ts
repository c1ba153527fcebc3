import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { Certificate } from './certificate.js';
import { portOf } from './ports.js';

/** What a server says to a command: a reply, or whatever a test makes of it. Undefined: nothing, for ever. */
export type Says = string | ((dialogue: Dialogue, line: string) => string | undefined | Promise<string | undefined>);

/** By command, beside `greeting` and `end` (the end of a message). What is not said here is said politely. */
export type Script = Partial<
  Record<
    'greeting' | 'EHLO' | 'HELO' | 'STARTTLS' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'end' | 'RSET' | 'NOOP' | 'QUIT',
    Says
  >
>;

export const CLOSE = (dialogue: Dialogue): undefined => dialogue.cut();
/** For ever: what was sent behind the command is not answered either. */
export const SILENCE = (): Promise<undefined> => new Promise(() => undefined);
export const EHLO = '250-here\r\n250-PIPELINING\r\n250 8BITMIME';

const POLITE: Required<Script> = {
  greeting: '220 here',
  EHLO,
  HELO: '250 here',
  STARTTLS: '454 4.7.0 no TLS here',
  AUTH: '535 5.7.8 no log-in here',
  MAIL: '250 2.1.0 sender',
  RCPT: '250 2.1.5 recipient',
  DATA: '354 go on',
  end: '250 2.0.0 taken',
  RSET: '250 2.0.0 forgotten',
  NOOP: '250 2.0.0 here',
  QUIT: (dialogue) => {
    dialogue.say('221 2.0.0 bye');
    return dialogue.cut();
  },
};

/** A server that says what a test wants it to, and keeps what it heard. */
export class ScriptedServer {
  readonly dialogues: Dialogue[] = [];
  script: Script;
  readonly certificate: Certificate | undefined;
  readonly #server: Server;

  private constructor(script: Script, certificate: Certificate | undefined) {
    this.script = script;
    this.certificate = certificate;
    this.#server = createServer({ noDelay: true }, (socket) => {
      const dialogue = new Dialogue(socket, this);
      this.dialogues.push(dialogue);
      void dialogue.begin();
    });
  }

  static async start(script: Script = {}, certificate?: Certificate): Promise<ScriptedServer> {
    const server = new ScriptedServer(script, certificate);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    return portOf(this.#server);
  }

  /** Every line that came, of all connections. */
  get heard(): string[] {
    return this.dialogues.flatMap(({ heard }) => heard);
  }

  get messages(): string[] {
    return this.dialogues.flatMap(({ messages }) => messages);
  }

  /** From here on, by another script. */
  now(script: Script): void {
    this.script = script;
    this.dialogues.length = 0;
  }

  /** What was heard so far; the connections stay. */
  forget(): void {
    for (const { heard, messages } of this.dialogues) heard.length = messages.length = 0;
  }

  async stop(): Promise<void> {
    for (const dialogue of this.dialogues) dialogue.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** One connection of it. Bytes are latin1, so that a test sees each of them. */
export class Dialogue {
  readonly heard: string[] = [];
  readonly messages: string[] = [];
  secure = false;
  readonly #server: ScriptedServer;
  #socket: Socket;
  #bytes = '';
  #inMessage = false;
  #working = false;

  constructor(socket: Socket, server: ScriptedServer) {
    this.#server = server;
    this.#socket = socket;
    this.#listen(socket);
  }

  begin(): Promise<void> {
    return this.#answer('greeting', '');
  }

  say(text: string): void {
    if (!this.#socket.destroyed) this.#socket.write(`${text}\r\n`, 'latin1');
  }

  /** Without an end of the line. */
  write(text: string): boolean {
    return this.#socket.destroyed ? false : this.#socket.write(text, 'latin1');
  }

  get ended(): boolean {
    return this.#socket.destroyed;
  }

  cut(): undefined {
    this.#socket.destroySoon();
  }

  /** As a router does that has lost its memory. */
  reset(): undefined {
    this.#socket.resetAndDestroy();
  }

  /** From here on in TLS. Says what is to be said before it in the clear. */
  upgrade(said: string): undefined {
    const { cert, key } = this.#server.certificate as Certificate;
    this.say(said);
    this.#socket.removeAllListeners('data');
    const secure = new TLSSocket(this.#socket, { isServer: true, secureContext: createSecureContext({ cert, key }) });
    this.#listen(secure);
    this.#socket = secure;
    this.secure = true;
  }

  #listen(socket: Socket): void {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.toString('latin1');
      void this.#work();
    });
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    for (;;) {
      const end = this.#bytes.indexOf(this.#inMessage ? '\r\n.\r\n' : '\r\n');
      if (end < 0) break;
      const text = this.#bytes.slice(0, end);
      this.#bytes = this.#bytes.slice(end + (this.#inMessage ? 5 : 2));
      if (this.#inMessage) {
        this.#inMessage = false;
        const message = text.slice(2);
        this.messages.push(message);
        await this.#answer('end', message);
      } else {
        this.heard.push(text);
        await this.#answer((text.split(/[ :]/, 1)[0] as string).toUpperCase(), text);
      }
    }
    this.#working = false;
  }

  async #answer(name: string, line: string): Promise<void> {
    const says = this.#server.script[name as keyof Script] ?? POLITE[name as keyof Script] ?? '500 5.5.1 what?';
    const said = typeof says === 'string' ? says : await says(this, line);
    if (said === undefined) return;
    if (name === 'DATA' && said.startsWith('3')) {
      this.#inMessage = true;
      // An empty message begins with its end.
      this.#bytes = `\r\n${this.#bytes}`;
    }
    this.say(said);
  }
}
