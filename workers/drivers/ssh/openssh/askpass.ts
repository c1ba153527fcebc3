import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

/** Far more than a prompt has. */
const MOST_BYTES = 64 << 10;

/**
 * Sends who has called it (`sh` makes room for it, so that is `ssh`) and its second argument to the socket that is its
 * first, and prints what comes back after a plus.
 */
const CLIENT = `const s=require("net").connect({path:process.argv[1],allowHalfOpen:true}),b=[];
s.on("data",d=>b.push(d)).on("error",()=>process.exit(1)).on("end",()=>{const a=Buffer.concat(b);
if(a[0]!==43)process.exit(1);process.stdout.write(a.subarray(1),()=>process.exit(0))});s.end(process.ppid+"\\n"+process.argv[2])`;

/** `asker` is the id of the process that asks: `ssh`, or another that it has started. */
export type Answer = (prompt: string, asker: number) => Promise<string | undefined>;

/**
 * The program that `ssh` calls to ask for something (SSH_ASKPASS). It asks us, over a socket in the folder of the control
 * socket, where nobody else of this machine gets in: so a secret is in no argument, variable or file, and is not known
 * outside this process before `ssh` has asked for it.
 */
export class Askpass {
  /** What `ssh` needs in its environment. SSH_ASKPASS_REQUIRE=force: there may be a terminal, and it is not ours. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  /** `answer` gets each prompt; undefined is no answer, which `ssh` takes for an empty one. */
  static async listen(folder: string, answer: Answer): Promise<Askpass> {
    const program = join(folder, 'p');
    const socket = join(folder, 'a');
    // With the hint `none` something is told, not asked: a token that waits to be touched.
    const script = [
      '#!/bin/sh',
      '[ "$SSH_ASKPASS_PROMPT" = none ] && exit 0',
      'unset NODE_OPTIONS',
      `exec ${[process.execPath, '-e', CLIENT, socket].map(quoted).join(' ')} "$1"`,
      '',
    ].join('\n');
    await writeFile(program, script, { mode: 0o700, flag: 'wx' });
    const askpass = new Askpass(program, answer);
    askpass.#server.listen(socket);
    await once(askpass.#server, 'listening');
    return askpass;
  }

  private constructor(program: string, answer: Answer) {
    this.environment = { SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: 'force' };
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
      socket.on('error', () => undefined);
      promptFrom(socket, (prompt, asker) => {
        answer(prompt, asker).then(
          (text) => (text === undefined ? socket.destroy() : socket.end(`+${text}`)),
          () => socket.destroy(),
        );
      });
    });
    this.#server.on('error', () => undefined);
  }

  /** Nothing is asked any more, and the socket is removed. Idempotent. */
  close(): void {
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
  }
}

function promptFrom(socket: Socket, take: (prompt: string, asker: number) => void): void {
  const pieces: Buffer[] = [];
  let bytes = 0;
  socket.on('data', (data: Buffer) => {
    pieces.push(data);
    bytes += data.length;
    if (bytes > MOST_BYTES) socket.destroy();
  });
  socket.once('end', () => {
    const text = Buffer.concat(pieces).toString('utf8');
    const line = text.indexOf('\n');
    if (line < 0) socket.destroy();
    else take(text.slice(line + 1), Number(text.slice(0, line)));
  });
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
