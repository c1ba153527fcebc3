import { KeylaneError } from '../errors.js';
import type { SshRequest } from '../ssh-types.js';
import type { AccountBounds, DriverName } from '../types.js';
import type { Account } from './account.js';

/** What an account says of a request, and a request with an account therefore may not say again. */
const FIELDS = [
  'host',
  'port',
  'user',
  'identity',
  'jump',
  'knownHosts',
  'hostKeys',
  'password',
  'passphrase',
] as const satisfies readonly (keyof SshRequest)[];

/** An `ssh` request that names an account in place of the host and of who we are there. */
export interface AccountRequest extends Omit<SshRequest, (typeof FIELDS)[number]> {
  account: string;
}

/** The requests of a driver that may name an account. */
export type AccountRequestOf<D extends DriverName> = D extends 'ssh' ? AccountRequest : never;

/** A request with what its account says in it. */
export interface Named {
  request: object;
  bounds: AccountBounds | undefined;
}

/** Throws `ERR_INPUT` where the account is another driver's, or the request says what the account says. */
export function ofAccount(account: Account, { account: _, ...request }: Record<string, unknown>): Named {
  const { name, driver, endpoint, user, identity, secrets, limits, labels } = account;
  if (driver !== 'ssh')
    throw new KeylaneError('ERR_INPUT', `ssh.account: the account ${name} is for the driver ${driver}, not for ssh`);
  // Not even the same again: a secret of the account goes where the account says, and nowhere else.
  for (const field of FIELDS) {
    if (request[field] !== undefined)
      throw new KeylaneError('ERR_INPUT', `ssh.${field}: does not go with \`account\`: the account ${name} says it`);
  }
  const merged: Record<string, unknown> = { ...request, ...endpoint, ...secrets };
  if (user !== undefined) merged.user = user;
  if (identity !== undefined) merged.identity = identity;
  const most = limits?.maxOutputBytes;
  const asked = request.maxOutputBytes;
  if (most !== undefined) merged.maxOutputBytes = typeof asked === 'number' ? Math.min(asked, most) : (asked ?? most);
  const bounds = labels || limits?.timeoutMs !== undefined ? { labels, timeoutMs: limits?.timeoutMs } : undefined;
  return { request: merged, bounds };
}
