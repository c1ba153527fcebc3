import type { App, Parts } from '../parts.js';
import { type RunBody, runBody } from '../schemas.js';

/** One request, and its answer. */
export function runRoutes(app: App, { engine }: Parts): void {
  app.post<{ Body: RunBody }>('/v1/run', { config: { needs: 'run' }, schema: { body: runBody } }, async (request) => {
    const { driver, request: asked, ...options } = request.body;
    request.principal.checkRequest(driver, asked);
    const giveBack = request.principal.take('request');
    try {
      return { response: await engine.run(driver as 'echo', asked as never, options as object) };
    } finally {
      giveBack();
    }
  });
}
