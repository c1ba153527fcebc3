import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionError, FastifyHttpOptions } from 'fastify';
import type { App, Parts } from '../parts.js';
import { bodies } from './bodies.js';
import { boundConnections } from './connections.js';
import { CHECK_MS, HEADER_BYTES } from './limits.js';
import { origins } from './origins.js';
import { rawProblem, Uploads } from './uploads.js';

/** What of the entrance Fastify and Node are told when the server is made. */
export function entranceOptions({ options: { http, tls } }: Parts, https?: { cert: Buffer; key: Buffer }) {
  const { headersTimeoutMs, keepAliveMs, bodyBytes } = http;
  const server = {
    maxHeaderSize: HEADER_BYTES,
    headersTimeout: headersTimeoutMs,
    connectionsCheckingInterval: Math.min(CHECK_MS, headersTimeoutMs),
    // Whatever flag Node was started with: what two parsers read in two ways can be smuggled past one of them.
    insecureHTTPParser: false,
  };
  return {
    bodyLimit: bodyBytes,
    keepAliveTimeout: keepAliveMs,
    clientErrorHandler,
    ...(tls && https ? { https: { ...server, ...https, handshakeTimeout: headersTimeoutMs } } : { http: server }),
  } as FastifyHttpOptions<Server>;
}

/** What every request meets before it is asked who sent it. */
export function entrance(app: App, { options, clock, http }: Parts): void {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(GUARDED);
    done();
  });
  boundConnections(app.server, options.http, (why) => http.refused(why));
  origins(app, options);
  bodies(app, options.http.bodyBytes);
  const uploads = new Uploads(options.http.bodyTimeoutMs, clock);
  app.addHook('onClose', () => uploads.stop());
  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = request;
    const { 'content-length': length, 'transfer-encoding': chunked } = raw.headers;
    if ((length !== undefined && length !== '0') || chunked !== undefined)
      uploads.begin(raw, reply.raw, request.routeOptions.config.streams ?? false);
    done();
  });
}

/** Of each answer: no browser takes it for another type than it says, and nobody keeps it, who may see what others may not. */
const GUARDED = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' };

/** Of Node's parser. */
const SAYS: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', `the head is longer than ${HEADER_BYTES} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'the request did not come in time'],
};

/**
 * Answers what is no request. Nothing goes between the parts of an answer that has begun, nor into a connection that was
 * never encrypted as it should be: there a write would wait for ever, and the connection with it.
 */
function clientErrorHandler(error: ConnectionError, socket: Socket): void {
  const { _httpMessage: answer } = socket as { _httpMessage?: { headersSent: boolean } | null };
  if (!/^HPE_|^ERR_HTTP_/.test(error.code)) {
    socket.destroy();
    return;
  }
  if (socket.writable && !answer?.headersSent) {
    const [status, reason, detail] = SAYS[error.code] ?? [400, 'Bad Request', 'this is no HTTP/1.1'];
    socket.write(rawProblem(status, reason, detail));
  }
  socket.destroySoon();
}
