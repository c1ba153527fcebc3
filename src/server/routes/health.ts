import type { App, Parts } from '../parts.js';

/** Is the process alive, and does it take requests? Both are answered to anybody, in a word. */
export function healthRoutes(app: App, { ready }: Parts): void {
  app.get('/livez', { config: { needs: 'nothing' } }, (_request, reply) => reply.type('text/plain').send('ok\n'));
  app.get('/readyz', { config: { needs: 'nothing' } }, (_request, reply) =>
    reply
      .code(ready() ? 200 : 503)
      .type('text/plain')
      .send(ready() ? 'ok\n' : 'stopping\n'),
  );
}
