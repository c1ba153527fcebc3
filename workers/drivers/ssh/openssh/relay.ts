import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Wire } from '../wire.js';

/** Copies between its standard streams and a socket, whose path is its argument. */
const SCRIPT =
  'const s=require("net").connect(process.argv[1]);process.stdin.pipe(s).pipe(process.stdout);s.on("error",()=>process.exit(1))';

/**
 * Lets `ssh` run over a way that we have, a tunnel through a pooled jump host: listens at `path` for one connection and
 * resolves with the ProxyCommand that makes it. `ssh` takes no socket from us, so a process of Node stands between.
 */
export async function relay(wire: Wire, path: string): Promise<string> {
  const server = createServer((socket) => {
    server.close();
    socket.on('error', () => undefined);
    socket.once('close', () => wire.destroy());
    wire.once('close', () => socket.destroy());
    socket.pipe(wire).pipe(socket);
  });
  wire.once('close', () => server.close());
  server.listen(path);
  await once(server, 'listening');
  return [process.execPath, '-e', SCRIPT, path].map(quoted).join(' ');
}

/** For the shell that ssh gives it to, and without ssh's tokens. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''").replaceAll('%', '%%')}'`;
}
