import type { App } from '../parts.js';
import type { RouteTable } from '../route-table.js';
import { versionHere } from '../version.js';

/** What can be asked, for programs. Made when it is first asked for: most services never are. */
export function openApiRoutes(app: App, table: RouteTable): void {
  let made: string | undefined;
  app.get('/openapi.json', { config: { needs: 'nothing' } }, async (_request, reply) => {
    if (made === undefined) {
      const { openApiDocument } = await import('../openapi/document.js');
      made = JSON.stringify(openApiDocument(table.routes, versionHere()));
    }
    return reply.type('application/json; charset=utf-8').send(made);
  });
}
