// An HTTP server on node:http in a process of its own: `http-server-process.js ADDRESS…`. Says its port by IPC.
//   GET  /                     200, 200 bytes of JSON
//   GET  /events?every=MS      server-sent events, the first at once, then one in each MS (0: no more)
//   GET  /busy                 503 with Retry-After
//   GET  /cut                  ends the connection
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

const BODY = JSON.stringify({
  status: 'running',
  host: 'web-17',
  tags: Array.from({ length: 20 }, (_, i) => `tag-${i}`),
});
const EVENT = `event: tick\ndata: ${JSON.stringify({ status: 'running', at: 1_700_000_000 })}\n\n`;

process.once('disconnect', () => process.exit(0));
let port = 0;
for (const address of process.argv.slice(2)) {
  const server = createServer({ keepAliveTimeout: 600_000 }, serve).listen(port, address, 20_000);
  await once(server, 'listening');
  port = (server.address() as { port: number }).port;
}
process.send?.({ port });

function serve({ url = '/' }: IncomingMessage, response: ServerResponse): void {
  if (url === '/') {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': BODY.length }).end(BODY);
  } else if (url.startsWith('/events')) {
    events(response, Number(/every=(\d+)/.exec(url)?.[1] ?? 0));
  } else if (url === '/busy') {
    response.writeHead(503, { 'retry-after': '1', 'content-length': 0 }).end();
  } else if (url === '/cut') {
    response.destroy();
  } else {
    response.writeHead(404, { 'content-length': 0 }).end();
  }
}

function events(response: ServerResponse, everyMs: number): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(EVENT);
  if (everyMs === 0) return;
  const timer = setInterval(() => response.write(EVENT), everyMs);
  response.once('close', () => clearInterval(timer));
}
