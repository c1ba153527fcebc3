import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import type { HttpResponse } from 'keylane';
import type { Certificate } from '../support/certificate.js';
import { until } from '../support/engine.js';
import { freePort } from '../support/ports.js';
import { startProxy } from '../support/proxy.js';
import type { DriverUnderTest } from './contract.js';

/** The driver `http`, on Node's own server behind a proxy that can cut. */
export const httpUnderTest: DriverUnderTest<'http'> = {
  name: 'http',
  // Its own number of connections takes the place of the engine's; the contract says three.
  options: { http: { connections: 3 } },
  streams: 1,
  setup: () => httpPeer(),
};

/** The same over HTTP/2, on Node's own server. */
export function http2UnderTest(certificate: Certificate): DriverUnderTest<'http'> {
  return {
    ...httpUnderTest,
    options: { http: { connections: 3, http2: true, ca: certificate.file } },
    streams: 100,
    setup: () => httpPeer(certificate),
  };
}

type Asked = IncomingMessage | Http2ServerRequest;
type Answer = ServerResponse | Http2ServerResponse;

async function httpPeer(certificate?: Certificate) {
  const hanging = new Set<string>();
  let last = 0;
  const serve = (asked: Asked, answer: Answer) => {
    const { pathname, searchParams } = new URL(asked.url ?? '/', 'http://here');
    const word = pathname.split('/')[2] ?? '';
    switch (pathname.split('/')[1]) {
      case 'fail':
        answer.writeHead(500);
        answer.end('no');
        return;
      case 'hang':
        hanging.add(word);
        return;
      case 'talk':
        (answer as ServerResponse).write(searchParams.get('said'));
        asked.pipe(answer as ServerResponse);
        return;
      default:
        say(answer, word);
    }
  };
  const sockets = new Set<Socket>();
  const server = certificate
    ? createSecureServer(
        { cert: certificate.cert, key: certificate.key, settings: { maxConcurrentStreams: 100 } },
        serve,
      )
    : createServer(serve);
  server.on('connection', (socket: Socket) => sockets.add(socket.on('close', () => sockets.delete(socket))));
  const port = await freePort(['127.0.0.1']);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const proxy = await startProxy({ to: { host: '127.0.0.1', port } });
  const closed = await freePort(['127.0.0.1']);
  const url = (path: string, to = proxy.port) => `${certificate ? 'https' : 'http'}://127.0.0.1:${to}/${path}`;
  const hang = () => ({ url: url(`hang/${++last}`) });
  return {
    ok: (i: number) => ({ url: url(`ok/${i}`) }),
    answer: ({ status, body }: HttpResponse) => ({ status, body }),
    expected: (i: number) => ({ status: 200, body: `${i}` }),
    failing: () => ({ url: url('fail') }),
    refused: () => ({ url: url('ok/1', closed) }),
    hanging: hang,
    started: () => until(() => hanging.has(`${last}`)),
    losing: hang,
    async lose() {
      await Promise.all(proxy.connections.map((connection) => connection.destroy()));
    },
    talking: (said: string) => ({ url: url(`talk?said=${encodeURIComponent(said)}`), method: 'POST' }),
    async stop() {
      await proxy.stop();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function say(answer: Answer, text: string): void {
  answer.setHeader('content-type', 'text/plain');
  answer.end(text);
}
