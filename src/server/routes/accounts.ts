import { z } from 'zod';
import type { Account } from '../../index.js';
import type { App, Parts } from '../parts.js';

const accountsQuery = z.strictObject({
  driver: z.string().min(1).max(64).optional(),
  label: z.union([z.string(), z.array(z.string())]).optional(),
});

/** The accounts whose hosts the token may see, in the order of their names. */
export function accountsRoutes(app: App, { engine }: Parts): void {
  app.get<{ Querystring: z.output<typeof accountsQuery> }>(
    '/v1/accounts',
    { config: { needs: 'read' }, schema: { querystring: accountsQuery } },
    async ({ principal, query: { driver, label } }) => {
      const labels = label === undefined ? [] : [label].flat();
      const accounts = await engine.accounts.list({ ...(driver !== undefined && { driver }), labels });
      return { accounts: accounts.filter((account) => principal.seesKey(keyOf(account))).map(shown) };
    },
  );
}

function keyOf({ driver, endpoint: { host, port = 22 }, name }: Account): string {
  return driver === 'ssh' ? `${host}:${port}` : name;
}

/** No path and no reference of a secret: who has an account used need not know where its keys lie. */
function shown({ name, driver, endpoint: { host, port }, user, oauth, labels, limits }: Account) {
  return {
    ...{ name, driver, host, port, user, labels, limits },
    ...(oauth && { oauth: { grant: oauth.grant } }),
  };
}
