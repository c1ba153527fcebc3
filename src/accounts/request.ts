import { KeylaneError } from '../errors.js';
import type { SmtpAccess, SmtpRequest } from '../smtp-types.js';
import { SMTP_SAID, SmtpOfAccount } from '../specs/smtp-account.js';
import type { SshRequest } from '../ssh-types.js';
import type { AccountBounds, DriverName } from '../types.js';
import type { Account } from './account.js';

/** An `ssh` request that names an account in place of the host and of who we are there. */
export interface AccountRequest extends Omit<SshRequest, (typeof SSH_FIELDS)[number]> {
  account: string;
}

/** An `smtp` request that names an account in place of the server and of who logs in. The account is its key. */
export interface SmtpAccountRequest extends Omit<SmtpRequest, keyof SmtpAccess> {
  account: string;
}

/** The requests of a driver that may name an account. */
export type AccountRequestOf<D extends DriverName> = D extends keyof AccountRequests ? AccountRequests[D] : never;

/** By driver. */
export interface AccountRequests {
  ssh: AccountRequest;
  smtp: SmtpAccountRequest;
}

/** A request with what its account says in it. */
export interface Named {
  /** For the spec's `resolve` and `parse`. */
  request: object;
  bounds: AccountBounds | undefined;
}

type Fields = Record<string, unknown>;

/** How a driver's requests go with accounts. */
interface ByAccount {
  /** What an account says of a request, and a request with an account therefore may not say again. */
  readonly fields: readonly string[];
  /** The request with it. */
  merged(account: Account, request: Fields): object;
}

const SSH_FIELDS = [
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

const SMTP_FIELDS = Object.keys(SMTP_SAID);

/** A driver that is not here has no requests by account: a field of that name means something else there. */
const DRIVERS: ReadonlyMap<string, ByAccount> = new Map<keyof AccountRequests, ByAccount>([
  ['ssh', { fields: SSH_FIELDS, merged: ofSsh }],
  ['smtp', { fields: SMTP_FIELDS, merged: ofSmtp }],
]);

/** The account that a request of this driver names; undefined where it names none, or means something else by it. */
export function accountIn(driver: string, request: unknown): string | undefined {
  if (typeof request !== 'object' || request === null) return undefined;
  const { account } = request as { account?: string };
  return account !== undefined && DRIVERS.has(driver) ? account : undefined;
}

/** Throws `ERR_INPUT` where the account is another driver's, or the request says what the account says. */
export function ofAccount(driver: string, account: Account, { account: _, ...request }: Fields): Named {
  const { name, labels, limits } = account;
  const by = DRIVERS.get(driver);
  if (!by || account.driver !== driver)
    throw new KeylaneError(
      'ERR_INPUT',
      `${driver}.account: the account ${name} is for the driver ${account.driver}, not for ${driver}`,
    );
  // Not even the same again: a secret of the account goes where the account says, and nowhere else.
  for (const field of by.fields) {
    if (request[field] !== undefined)
      throw new KeylaneError(
        'ERR_INPUT',
        `${driver}.${field}: does not go with \`account\`: the account ${name} says it`,
      );
  }
  const bounds = labels || limits?.timeoutMs !== undefined ? { labels, timeoutMs: limits?.timeoutMs } : undefined;
  return { request: by.merged(account, request), bounds };
}

function ofSsh({ endpoint, user, identity, secrets, limits }: Account, request: Fields): object {
  const merged: Fields = { ...request, ...endpoint, ...secrets };
  if (user !== undefined) merged.user = user;
  if (identity !== undefined) merged.identity = identity;
  const most = limits?.maxOutputBytes;
  const asked = request.maxOutputBytes;
  if (most !== undefined) merged.maxOutputBytes = typeof asked === 'number' ? Math.min(asked, most) : (asked ?? most);
  return merged;
}

function ofSmtp({ name, endpoint, user, secrets, oauth, limits }: Account, request: Fields): object {
  const merged: Fields = { ...request, ...endpoint, ...secrets };
  if (user !== undefined) merged.user = user;
  const { timeoutMs: _, maxOutputBytes: __, ...most } = limits ?? {};
  return new SmtpOfAccount(merged as unknown as SmtpRequest, { name, oauth: oauth !== undefined, ...most });
}
