import { createServer, type ServerResponse } from 'node:http';
import type { HttpResponse } from 'keylane';
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
  setup: httpPeer,
};

async function httpPeer() {
  const hanging = new Set<string>();
  let last = 0;
  const server = createServer((asked, answer) => {
    const { pathname, searchParams } = new URL(asked.url ?? '/', 'http://here');
    const word = pathname.split('/')[2] ?? '';
    switch (pathname.split('/')[1]) {
      case 'fail':
        answer.writeHead(500).end('no');
        return;
      case 'hang':
        hanging.add(word);
        return;
      case 'talk':
        answer.write(searchParams.get('said'));
        asked.pipe(answer);
        return;
      default:
        say(answer, word);
    }
  });
  const port = await freePort(['127.0.0.1']);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const proxy = await startProxy({ to: { host: '127.0.0.1', port } });
  const closed = await freePort(['127.0.0.1']);
  const url = (path: string, to = proxy.port) => `http://127.0.0.1:${to}/${path}`;
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
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function say(answer: ServerResponse, text: string): void {
  answer.setHeader('content-type', 'text/plain');
  answer.end(text);
}
