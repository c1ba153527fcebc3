import type { IncomingMessage } from 'node:http';
import { KeylaneError } from '../../index.js';
import { grouped } from '../../util/grouped.js';
import { Pieces } from '../../util/pieces.js';
import { FieldError } from '../field-error.js';
import { parseJson } from '../json.js';
import type { App } from '../parts.js';

/**
 * What a body may be: JSON, and what a route says for itself. Nothing that is compressed: a few bytes of it can be
 * gigabytes, and programs send what is small.
 */
export function bodies(app: App, mostBytes: number): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', (_request, payload, done) => {
    readText(payload as IncomingMessage, mostBytes, (error, text = '') => {
      if (error) return done(error);
      let value: unknown;
      try {
        value = text === '' ? undefined : parseJson(text);
      } catch (wrong) {
        return done(wrong as Error);
      }
      done(null, value);
    });
  });
  app.addHook('onRequest', (request, reply, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined || encoding === 'identity') return done();
    reply.header('accept-encoding', 'identity');
    done(
      new FieldError(
        'ERR_INPUT',
        [{ field: 'headers.content-encoding', detail: 'a body must be sent as it is, not compressed' }],
        415,
      ),
    );
  });
}

/** Not Fastify's own: that keeps each piece as it comes. */
function readText(body: IncomingMessage, most: number, done: (error: Error | null, text?: string) => void): void {
  const tooLarge = () =>
    new FieldError('ERR_INPUT', [{ field: 'body', detail: `is larger than ${grouped(most)} bytes` }], 413);
  // Not before it comes, where it says how large it is.
  if (Number(body.headers['content-length'] ?? 0) > most) {
    done(tooLarge());
    return;
  }
  const pieces = new Pieces();
  const take = (piece: Buffer) => {
    pieces.add(piece);
    if (pieces.bytes <= most) return;
    body.off('data', take).off('end', end);
    pieces.clear();
    done(tooLarge());
  };
  const end = () => done(null, pieces.take().toString());
  const gone = () => done(new KeylaneError('ERR_CANCELED', 'the client went before the end of its body'));
  body.on('data', take).on('end', end).once('error', gone);
}
