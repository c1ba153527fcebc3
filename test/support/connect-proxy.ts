import { createServer, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { portOf } from './ports.js';

export interface ConnectProxy {
  readonly port: number;
  /** What it was asked for, with who asked: `CONNECT host:port Basic …`. */
  readonly asked: string[];
  stop(): Promise<void>;
}

/** An HTTP proxy: tunnels, and requests that are passed on. `to` says where a name leads; `user` who may use it. */
export async function startConnectProxy(
  options: { user?: string; to?: (host: string) => { host: string; port: number } } = {},
): Promise<ConnectProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const expected = options.user === undefined ? undefined : `Basic ${Buffer.from(options.user).toString('base64')}`;
  const placeOf = (text: string) => {
    const { hostname, port } = new URL(`http://${text}`);
    return options.to?.(hostname) ?? { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) };
  };
  const server = createServer((incoming, answer) => {
    asked.push(`${incoming.method} ${incoming.url} ${incoming.headers['proxy-authorization'] ?? ''}`.trim());
    if (expected !== undefined && incoming.headers['proxy-authorization'] !== expected) {
      answer.writeHead(407).end();
      return;
    }
    const url = new URL(incoming.url ?? '/');
    const { 'proxy-authorization': _, ...headers } = incoming.headers;
    const onward = request({
      ...placeOf(url.host),
      path: url.pathname + url.search,
      method: incoming.method ?? 'GET',
      headers,
    });
    onward.on('response', (said) => {
      answer.writeHead(said.statusCode ?? 502, said.headers);
      said.pipe(answer);
    });
    onward.on('error', () => answer.writeHead(502).end());
    incoming.pipe(onward);
  });
  server.on('connection', (socket) => sockets.add(socket.on('close', () => sockets.delete(socket))));
  server.on('connect', (incoming, socket: Socket, head) => {
    asked.push(`CONNECT ${incoming.url} ${incoming.headers['proxy-authorization'] ?? ''}`.trim());
    socket.on('error', () => {});
    if (expected !== undefined && incoming.headers['proxy-authorization'] !== expected) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    const onward = connect(placeOf(incoming.url ?? ''));
    sockets.add(onward.on('close', () => sockets.delete(onward)));
    onward.on('connect', () => {
      socket.write('HTTP/1.1 200 Connection established\r\nvia: 1.1 test\r\n\r\n');
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.end('HTTP/1.1 502 Bad\u0007 Gateway\r\n\r\n', 'latin1'));
    socket.on('close', () => onward.destroy());
    onward.on('close', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: portOf(server),
    asked,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
