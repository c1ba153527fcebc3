// The process of ssh-server.ts: SSH servers on ssh2, one for each loopback address, behind one listener each.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import ssh2, { type AuthContext, type ClientInfo, type Connection, type Session } from 'ssh2';
import { type Accept, runInShell } from './shell-command.js';
import type { ServerSays, ServerStart } from './ssh-server.js';

/** Answers one command of a session that the server at `address` has accepted. */
type Run = (session: Session, accept: Accept, command: string, address: string) => void;

process.once('disconnect', () => process.exit(0));
process.once('message', (start: ServerStart) => {
  serve(start).then(
    (port) => {
      say({ port });
      process.on('message', () => say({ cpu: process.cpuUsage(), rss: process.memoryUsage.rss() }));
    },
    (error: unknown) => say({ failed: String(error) }),
  );
});

function say(what: ServerSays): void {
  process.send?.(what);
}

async function serve(start: ServerStart): Promise<number> {
  const run = runOf(start);
  // One ssh2 server takes the sockets of all listeners: 10,000 of them would each parse the host key.
  const server = new ssh2.Server({ hostKeys: [start.hostKey] });
  const key = Buffer.from(start.clientKey, 'base64');
  const authenticate = (context: AuthContext) => decide(context, key, start.mode === 'shell');
  // ssh2 tells of a connection when the client has said hello, and then only whose it is.
  const addresses = new Map<string, string>();
  server.on('connection', (connection: Connection, { ip, port }: ClientInfo) => {
    serveConnection(connection, addresses.get(`${ip} ${port}`) ?? '', authenticate, run);
  });
  return await listen(start.listen, (socket, at) => {
    const client = `${socket.remoteAddress} ${socket.remotePort}`;
    addresses.set(client, at);
    socket.once('close', () => addresses.delete(client));
    if (start.mode === 'light') corkEachTurn(socket);
    server.injectSocket(socket);
  });
}

function serveConnection(
  connection: Connection,
  address: string,
  authenticate: (context: AuthContext) => void,
  run: Run,
): void {
  connection.on('error', nothing);
  connection.on('authentication', authenticate);
  connection.on('session', (acceptSession) => {
    const session = acceptSession();
    session.on('exec', (accept, _reject, info) => run(session, accept, info.command, address));
  });
}

function nothing(): void {}

function decide(context: AuthContext, key: Buffer, verify: boolean): void {
  if (isOwner(context, key, verify)) context.accept();
  else context.reject(['publickey']);
}

/** A light server takes the client's word that it owns the key: checking its signature is not what load/ measures. */
function isOwner(context: AuthContext, key: Buffer, verify: boolean): boolean {
  if (context.method !== 'publickey' || !context.key.data.equals(key)) return false;
  // Without a signature the client only asks whether the key would do.
  if (!verify || context.signature === undefined || context.blob === undefined) return true;
  const parsed = ssh2.utils.parseKey(`${context.key.algo} ${key.toString('base64')}`);
  return !(parsed instanceof Error) && parsed.verify(context.blob, context.signature, context.hashAlgo);
}

function runOf(start: ServerStart): Run {
  const output = Buffer.from(start.output);
  const light: Run = (_session, accept) => {
    const channel = accept();
    if (channel === undefined) return;
    channel.resume();
    channel.write(output);
    channel.exit(0);
    channel.end();
  };
  const run = start.mode === 'light' ? light : runInShell;
  if (start.hang.length + start.slow.length === 0) return run;
  const [hang, slow] = [new Set(start.hang), new Set(start.slow)];
  return (session, accept, command, address) => {
    if (hang.has(address)) accept()?.resume();
    else if (slow.has(address)) void wait(start.slowMs).then(() => run(session, accept, command, address));
    else run(session, accept, command, address);
  };
}

/** Everything that one turn of the event loop writes leaves in one packet, as OpenSSH does it: 5 writes an exec become 1. */
function corkEachTurn(socket: Socket): void {
  let corked = false;
  const uncork = () => {
    corked = false;
    socket.uncork();
  };
  socket.on('data', () => {
    if (corked) return;
    corked = true;
    socket.cork();
    setImmediate(uncork);
  });
}

/** Listens on all addresses with one free port; somebody may take it meanwhile on one of them, then with another. */
async function listen(addresses: readonly string[], took: (socket: Socket, address: string) => void): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    const servers: Server[] = [];
    try {
      let port = 0;
      for (const address of addresses) {
        const server = createServer({ noDelay: true }, (socket) => took(socket, address));
        servers.push(server);
        // All at once would be 10,000 pending callbacks for nothing: bind and listen are immediate.
        server.listen({ port, host: address, backlog: 128 });
        if (port !== 0) continue;
        await once(server, 'listening');
        port = portOf(server);
      }
      await Promise.all(servers.map((server) => server.listening || once(server, 'listening')));
      return port;
    } catch (error) {
      for (const server of servers) server.close();
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === 20) throw error;
    }
  }
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
