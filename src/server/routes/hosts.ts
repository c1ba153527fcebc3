import { z } from 'zod';
import type { App, Parts } from '../parts.js';

const hostsQuery = z.strictObject({
  /** A glob that the whole key must match. */
  match: z.string().min(1).max(1_024).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
  /** Only those that are let alone after failures. */
  stopped: z.enum(['true', 'false']).optional(),
});
const DEFAULT_LIMIT = 100;
/** Of all that there are, who is for some hosts only finds its own among so many; `match` narrows what is looked through. */
const LOOKED_THROUGH = 1_000;

/** The keys that are in use or known: those with most requests first, with their pool, breaker and learned limit. */
export function hostsRoutes(app: App, { engine }: Parts): void {
  app.get<{ Querystring: z.output<typeof hostsQuery> }>(
    '/v1/hosts',
    { config: { needs: 'read' }, schema: { querystring: hostsQuery } },
    async ({ principal, query: { match, limit = DEFAULT_LIMIT, stopped } }) => {
      const keys = await engine.keys({
        limit: principal.limited ? LOOKED_THROUGH : limit,
        stopped: stopped === 'true',
        ...(match !== undefined && { match }),
      });
      return { hosts: keys.filter(({ key }) => principal.seesKey(key)).slice(0, limit) };
    },
  );
}
