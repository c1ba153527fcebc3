import { z } from 'zod';
import { checkPatterns } from '../access/own-patterns.js';
import type { App, Parts } from '../parts.js';

const listQuery = z.strictObject({
  operation: z.string().min(1).max(256).optional(),
  limit: z.coerce.number().int().min(1).max(10_000).optional(),
});
const forgetQuery = z.strictObject({
  /** `key:<key>`, a tag, or a glob such as `vm_list:*`. */
  pattern: z.union([z.string().min(1), z.array(z.string().min(1)).max(100)]),
});

/** What is remembered of answers: how much, what of it is on disk, and what is to be forgotten. */
export function cacheRoutes(app: App, { engine }: Parts): void {
  app.get('/v1/cache', { config: { needs: 'read' } }, async ({ principal }) => {
    const { operations, ...stats } = await engine.cache.stats();
    // Operations are named by whoever asks.
    return principal.limited ? stats : { ...stats, operations };
  });
  app.get<{ Querystring: z.output<typeof listQuery> }>(
    '/v1/cache/entries',
    { config: { needs: 'read' }, schema: { querystring: listQuery } },
    async ({ principal, query: { operation, limit = 1_000 } }) => {
      const listed = await engine.cache.list({ ...(operation !== undefined && { operation }), limit });
      return { entries: listed.filter(({ key }) => principal.seesKey(key)) };
    },
  );
  app.delete<{ Querystring: z.output<typeof forgetQuery> }>(
    '/v1/cache',
    { config: { needs: 'run' }, schema: { querystring: forgetQuery } },
    async ({ principal, query: { pattern } }) => {
      const patterns = [pattern].flat();
      checkPatterns(principal, patterns, 'query.pattern');
      return { forgotten: await engine.cache.invalidate(...patterns) };
    },
  );
}
