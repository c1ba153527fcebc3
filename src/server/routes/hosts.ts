import { z } from 'zod';
import type { Engine, KeyState } from '../../index.js';
import type { App, Parts, Principal } from '../parts.js';

const hostsQuery = z.strictObject({
  /** A glob that the whole key must match. */
  match: z.string().min(1).max(1_024).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
  /** Only those that are let alone after failures. */
  stopped: z.enum(['true', 'false']).optional(),
});
const DEFAULT_LIMIT = 100;
/** What may be asked of an engine at once. */
const MOST = 1_000;
/** Each is a question to all shards. Who has more patterns finds its own among the 1,000 busiest of all. */
const MOST_GLOBS = 16;

/** The keys that are in use or known: those with most requests first, with their pool, breaker and learned limit. */
export function hostsRoutes(app: App, { engine }: Parts): void {
  app.get<{ Querystring: z.output<typeof hostsQuery> }>(
    '/v1/hosts',
    { config: { needs: 'read' }, schema: { querystring: hostsQuery } },
    async ({ principal, query: { match, limit = DEFAULT_LIMIT, stopped } }) => {
      const only = { stopped: stopped === 'true', ...(match !== undefined && { match }) };
      const keys = principal.limited ? await ownKeys(engine, principal, only) : await engine.keys({ ...only, limit });
      return { hosts: keys.slice(0, limit) };
    },
  );
}

async function ownKeys(engine: Engine, principal: Principal, only: { stopped: boolean; match?: string }) {
  const { keyGlobs = [] } = principal;
  const globs = only.match === undefined && keyGlobs.length <= MOST_GLOBS ? keyGlobs : [only.match];
  const asked = globs.map((match) => engine.keys({ ...only, ...(match !== undefined && { match }), limit: MOST }));
  const found = new Map<string, KeyState>();
  for (const states of await Promise.all(asked))
    for (const state of states) if (principal.seesKey(state.key)) found.set(state.key, state);
  return [...found.values()].sort((a, b) => b.requests + b.queued - a.requests - a.queued);
}
