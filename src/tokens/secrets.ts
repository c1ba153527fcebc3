import type { AccountOAuth } from '../accounts/account.js';
import { KeylaneError } from '../errors.js';
import type { ReadSecret } from '../host/secret.js';
import { type SealKey, sealKey } from './shared-tokens.js';

/** What is behind an account's references right now. */
export interface Secrets {
  readonly clientSecret: string | undefined;
  readonly refreshToken: string | undefined;
  /** Another secret is another key. */
  readonly key: SealKey;
}

/** Read anew each time: another process may have put a new refresh token there. Errors name the reference. */
export async function secretsOf(oauth: AccountOAuth, identity: string, read: ReadSecret): Promise<Secrets> {
  const [clientSecret, refreshToken] = await Promise.all([
    oauth.clientSecret === undefined ? undefined : filled(oauth.clientSecret, read),
    oauth.refreshToken === undefined ? undefined : login(oauth, oauth.refreshToken, read),
  ]);
  return { clientSecret, refreshToken, key: sealKey(identity, [clientSecret, refreshToken]) };
}

async function filled(reference: string, read: ReadSecret): Promise<string> {
  const value = await read(reference);
  if (!value) throw new KeylaneError('ERR_INPUT', `${reference} is empty`);
  return value;
}

/** A device's file comes with the login. */
async function login({ grant }: AccountOAuth, reference: string, read: ReadSecret): Promise<string> {
  try {
    return await filled(reference, read);
  } catch (error) {
    if (grant !== 'device' || !(error instanceof KeylaneError) || !isNone(error)) throw error;
    throw new KeylaneError('ERR_AUTH_EXPIRED', `nobody has logged in yet: ${reference} has no refresh token`);
  }
}

function isNone({ cause }: KeylaneError): boolean {
  return cause === undefined || (cause as NodeJS.ErrnoException).code === 'ENOENT';
}

export function fileOf(reference: string | undefined): string | undefined {
  return reference?.startsWith('file:') ? reference.slice('file:'.length) : undefined;
}
