import type { Engine } from '../engine.js';
import { KeylaneError } from '../errors.js';
import type { Account } from './account.js';
import type { AccountTokens } from './account-tokens.js';
import type { AccountRequestOf } from './request.js';
import type { Verifiers } from './verify.js';

/** How an engine tries accounts out. */
export function verifiersOf(engine: Pick<Engine, 'prewarm'>, tokens: AccountTokens): Verifiers {
  return {
    // One that is kept says nothing of whether the account still works.
    token: async (account, signal) => (await tokens.cache()).get(account, { signal, fresh: true }),
    connection: (account, signal) => connect(engine, account, signal),
  };
}

/** By driver, a request that an account can be tried out by: it must ask for something, and is never sent. */
const ASKED: Readonly<Record<string, object>> = {
  ssh: { command: 'true' },
  smtp: { from: 'nobody@localhost', to: 'nobody@localhost' },
};

/** With its log-in; the connection stays in the pool, where requests find it. */
async function connect(engine: Pick<Engine, 'prewarm'>, { name, driver }: Account, signal: AbortSignal): Promise<void> {
  const asked = Object.hasOwn(ASKED, driver) ? ASKED[driver] : undefined;
  if (!asked)
    throw new KeylaneError(
      'ERR_CONFIG_UNSUPPORTED',
      `accounts of ${driver} are verified by their \`oauth\`, and ${name} has none`,
      { key: name },
    );
  const request = { account: name, ...asked } as AccountRequestOf<'ssh'>;
  const { failed } = await engine.prewarm(driver as 'ssh', [request], { timeoutMs: 0, signal });
  const [error] = failed;
  if (error) throw error;
}
