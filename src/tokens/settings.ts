import { createHash } from 'node:crypto';
import type { AccountOAuth } from '../accounts/account.js';
import { KeylaneError } from '../errors.js';
import { isLoopbackHost } from '../util/networks.js';
import { parsedUrl } from '../util/parsed-url.js';

/** An account, as far as its tokens go. */
export interface TokenAccount {
  readonly name: string;
  readonly oauth?: AccountOAuth;
}

/**
 * What no secret must be sent without, and what no error may show; the rest is the accounts' schema's. Throws `ERR_INPUT`
 * that names the field.
 */
export function checkOAuth({ name, oauth }: TokenAccount): AccountOAuth {
  const wrong = (field: string, text: string) =>
    new KeylaneError('ERR_INPUT', `account ${name}: oauth${field}: ${text}`, { key: name });
  if (!oauth) throw wrong('', 'expected where its access tokens come from');
  const { grant, tokenUrl, issuer, clientSecret, refreshToken } = oauth;
  for (const [field, value] of Object.entries({ clientSecret, refreshToken })) {
    // Whoever reads a reference names it when it cannot be read: here it would be the secret.
    if (value !== undefined && !/^(env|file|cmd):./.test(value)) {
      throw wrong(`.${field}`, 'expected a reference, not the secret itself: write env:NAME or file:/PATH');
    }
  }
  if ((tokenUrl === undefined) === (issuer === undefined)) throw wrong('', 'expected either `tokenUrl` or `issuer`');
  for (const field of ['tokenUrl', 'issuer', 'deviceUrl'] as const) {
    const url = oauth[field];
    const parsed = url === undefined ? undefined : parsedUrl(url);
    if (url === undefined || (parsed && isSafe(parsed))) continue;
    throw wrong(`.${field}`, 'expected an https URL without a user and a password: a secret is sent there');
  }
  if (grant === 'client_credentials' && clientSecret === undefined)
    throw wrong('.clientSecret', 'expected a reference');
  if (grant !== 'client_credentials' && refreshToken === undefined)
    throw wrong('.refreshToken', 'expected a reference');
  return oauth;
}

/**
 * What tells one set of tokens from another. The account's name is no part of it: two accounts with the same settings
 * have the same tokens, and a refresh token that is renewed twice at once may be revoked.
 */
export function identityOf(oauth: AccountOAuth): string {
  const { grant, tokenUrl, issuer, clientId, clientSecret, clientAuth, refreshToken, scope, audience, deviceUrl } =
    oauth;
  const fields = [
    grant,
    tokenUrl,
    issuer,
    clientId,
    clientSecret,
    clientAuth,
    refreshToken,
    scope,
    audience,
    deviceUrl,
  ];
  return JSON.stringify(fields.map((field) => field ?? null));
}

/** A name for files. */
export function digestOf(name: string): string {
  return createHash('sha256').update(name).digest('hex');
}

/** May secrets be sent there? TLS, or no wire at all; and none may be in the URL, which errors name. */
export function isSafe({ protocol, hostname, username, password }: URL): boolean {
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isLoopbackHost(hostname));
}
