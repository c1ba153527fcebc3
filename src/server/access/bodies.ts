import { FieldError } from '../field-error.js';
import { parseJson } from '../json.js';
import type { App } from '../parts.js';

/**
 * What a body may be: JSON, and what a route says for itself. Nothing that is compressed: a few bytes of it can be
 * gigabytes, and programs send what is small.
 */
export function bodies(app: App): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, text === '' ? undefined : parseJson(text as string));
    } catch (error) {
      done(error as Error);
    }
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
