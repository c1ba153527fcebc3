import type { Engine } from '../engine.js';
import { KeylaneError } from '../errors.js';
import type { Account } from './account.js';
import type { AccountTokens } from './account-tokens.js';
import type { Verifiers } from './verify.js';

/** How an engine tries accounts out. */
export function verifiersOf(engine: Pick<Engine, 'prewarm'>, tokens: AccountTokens): Verifiers {
  return {
    // One that is kept says nothing of whether the account still works.
    token: async (account, signal) => (await tokens.cache()).get(account, { signal, fresh: true }),
    connection: (account, signal) => connect(engine, account, signal),
  };
}

/** With its log-in; the connection stays in the pool, where requests find it. */
async function connect(engine: Pick<Engine, 'prewarm'>, { name, driver }: Account, signal: AbortSignal): Promise<void> {
  if (driver !== 'ssh')
    throw new KeylaneError(
      'ERR_CONFIG_UNSUPPORTED',
      `accounts of ${driver} are verified by their \`oauth\`, and ${name} has none`,
      { key: name },
    );
  // A request must ask for something; this one is never sent.
  const request = { account: name, command: 'true' };
  const { failed } = await engine.prewarm('ssh', [request], { timeoutMs: 0, signal });
  const [error] = failed;
  if (error) throw error;
}
