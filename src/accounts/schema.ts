import { z } from 'zod';
import { LONGEST_LABEL, MOST_LABELS } from '../call-options.js';
import { KeylaneError } from '../errors.js';
import { smtpFields } from '../specs/smtp-schema.js';
import { jumpProblem } from '../specs/ssh-jump.js';
import { named, sshFields } from '../specs/ssh-schema.js';
import { check, pathOf, problemsOf } from '../util/check.js';
import { nameProblem, userProblem } from '../util/names.js';
import { isLoopbackHost } from '../util/networks.js';
import { parsedUrl } from '../util/parsed-url.js';
import type { Account, AccountEndpoint, AccountFilter, AccountLimits } from './account.js';

/** What an account may refer to. */
export interface AccountRules {
  /** Whether a secret may be a command's output, `cmd:COMMAND`. */
  allowCommands: boolean;
}

/**
 * The account as it may be stored. Throws `ERR_INPUT`, one line per problem; each begins with `where`, if that is given.
 * No value is shown: any field may hold a secret by mistake, where the columns of a file are one off.
 */
export function checkAccount(value: unknown, rules: AccountRules, where?: string): Account {
  const schema = rules.allowCommands ? withCommands : withoutCommands;
  const read = schema.safeParse(value);
  if (read.success) return read.data as Account;
  const what = where === undefined ? 'account' : `${where}: account`;
  const lines = problemsOf(schema, value).map(
    ({ path, says }) => `${pathOf(what, path)}: ${says.replace(/; got .*$/s, '')}`,
  );
  throw new KeylaneError('ERR_INPUT', lines.join('\n'));
}

export function checkFilter(value: unknown): AccountFilter {
  return check(filter, value, 'filter', 'ERR_INPUT') as AccountFilter;
}

const MOST_SECRET_CHARS = 4_096;
const MOST_TIMEOUT_MS = 30 * 86_400_000;
const MOST_TEXT = 1_024;

const HOW = 'put it into an environment variable and write env:NAME, or into a file and write file:/PATH';

/** Only where it leads is kept; what looks like anything else may be the secret itself, and is not shown. */
function referenceProblem(value: string, allowCommands: boolean): string | undefined {
  const [, kind, rest = ''] = /^(env|file|cmd):(.*)$/s.exec(value) ?? [];
  if (kind === undefined) return `expected a reference, not the secret itself: ${HOW}`;
  if (value.length > MOST_SECRET_CHARS || /[\0\r\n]/.test(value))
    return 'expected one line of at most 4,096 characters';
  if (kind === 'env' && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(rest)) return 'expected env: and the name of a variable';
  if (kind === 'file' && !rest.startsWith('/'))
    return 'expected file: and an absolute path: an account is used from any directory';
  if (kind === 'cmd' && !allowCommands)
    return 'cmd: is for where the configuration says `allowCommands: true`; write env:NAME or file:/PATH';
  if (kind === 'cmd' && rest.trim() === '') return 'expected cmd: and a command';
  return undefined;
}

function urlProblem(value: string): string | undefined {
  const url = parsedUrl(value);
  if (!url || value.length > MOST_TEXT) return 'expected an https URL';
  if (url.username !== '' || url.password !== '') return 'must hold no user and no password';
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname)))
    return 'expected https: a secret is sent there (http is for loopback addresses)';
  return url.hash === '' ? undefined : 'must have no #fragment';
}

function textProblem(value: string): string | undefined {
  if (value === '' || value.length > MOST_TEXT) return 'expected 1 to 1,024 characters';
  return /\p{Cc}|\p{Surrogate}/u.test(value) ? 'must hold no control characters' : undefined;
}

/** A file that is found from wherever the account is used. */
const path = sshFields.path.refine((value) => value.startsWith('/') || value.startsWith('~/'), {
  error: 'expected an absolute path, or one that begins with ~/: an account is used from any directory',
});
const paths = z.union(
  [path, z.array(path).min(1).max(64)],
  'expected an absolute path, or a list of at most 64 of them',
);
const url = named(urlProblem);
const text = named(textProblem);

const endpoint = z.strictObject({
  host: sshFields.host,
  port: sshFields.port.optional(),
  jump: named(jumpProblem).optional(),
  knownHosts: paths.optional(),
  hostKeys: sshFields.hostKeys.optional(),
  tls: smtpFields.tls,
  ca: path.optional(),
  servername: smtpFields.servername,
  auth: smtpFields.auth,
  clientName: smtpFields.clientName,
  sourceAddress: smtpFields.sourceAddress,
  preset: smtpFields.preset,
});
const limits = z.strictObject({
  timeoutMs: z.int('expected whole milliseconds').min(1).max(MOST_TIMEOUT_MS).optional(),
  maxOutputBytes: sshFields.maxOutputBytes.optional(),
  connections: smtpFields.count,
  messagesPerMinute: smtpFields.count,
  recipientsPerDay: smtpFields.count,
});
/** What means something to one driver only: elsewhere it is a mistake of whoever wrote it. */
const ONLY_OF: Readonly<
  Record<'ssh' | 'smtp', { endpoint: readonly (keyof AccountEndpoint)[]; limits: readonly (keyof AccountLimits)[] }>
> = {
  ssh: { endpoint: ['jump', 'knownHosts', 'hostKeys'], limits: ['maxOutputBytes'] },
  smtp: {
    endpoint: ['tls', 'ca', 'servername', 'auth', 'clientName', 'sourceAddress', 'preset'],
    limits: ['connections', 'messagesPerMinute', 'recipientsPerDay'],
  },
};
const label = z.string().min(1).max(LONGEST_LABEL);
const labels = z.array(label).max(MOST_LABELS);
const name = named((value) => nameProblem(value, 'the name of an account', '@:'));
const driver = named((value) =>
  /^[a-z][a-z0-9_-]{0,63}$/.test(value) ? undefined : "expected a driver's name, like ssh or smtp",
);
const filter = z.strictObject({ driver: driver.optional(), labels: labels.optional() });

function oauthOf(reference: z.ZodString) {
  const fields = z.strictObject({
    grant: z.enum(['client_credentials', 'refresh_token', 'device']),
    tokenUrl: url.optional(),
    issuer: url.optional(),
    deviceUrl: url.optional(),
    clientId: text,
    clientSecret: reference.optional(),
    clientAuth: z.enum(['post', 'basic']).optional(),
    refreshToken: reference.optional(),
    scope: text.optional(),
    audience: text.optional(),
  });
  return fields.superRefine((oauth, context) => {
    const wrong = (field: keyof typeof oauth, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message, input: oauth[field] });
    const { grant, tokenUrl, issuer, deviceUrl, clientSecret, refreshToken } = oauth;
    if ((tokenUrl === undefined) === (issuer === undefined))
      wrong('tokenUrl', 'expected exactly one of `tokenUrl` and `issuer`');
    if (grant === 'client_credentials' && clientSecret === undefined)
      wrong('clientSecret', 'expected a reference: the grant client_credentials needs it');
    if (grant === 'refresh_token' && refreshToken === undefined)
      wrong('refreshToken', 'expected a reference: the grant refresh_token needs it');
    if (grant === 'device' && !refreshToken?.startsWith('file:'))
      wrong('refreshToken', 'expected file:/PATH: what a person logs in to is kept there');
    if (grant === 'device' && tokenUrl !== undefined && deviceUrl === undefined)
      wrong('deviceUrl', 'expected the URL for device codes: `tokenUrl` alone does not tell it');
    if (grant !== 'device' && deviceUrl !== undefined) wrong('deviceUrl', 'goes with the grant device');
    if (grant === 'client_credentials' && refreshToken !== undefined)
      wrong('refreshToken', 'goes with the grants refresh_token and device');
  });
}

function schemaOf(allowCommands: boolean) {
  const reference = named((value) => referenceProblem(value, allowCommands));
  const fields = z.strictObject({
    name,
    driver,
    endpoint,
    user: smtpFields.user.optional(),
    identity: paths.optional(),
    secrets: z.strictObject({ password: reference.optional(), passphrase: reference.optional() }).optional(),
    oauth: oauthOf(reference).optional(),
    limits: limits.optional(),
    labels: labels.optional(),
  });
  return fields.superRefine((account, context) => {
    const wrong = (at: [keyof Account, string?], message: string, input: unknown) =>
      context.addIssue({ code: 'custom', path: at.filter((step) => step !== undefined), message, input });
    for (const [of, only] of Object.entries(ONLY_OF)) {
      if (account.driver === of) continue;
      // A host key that nobody checks, a key that nobody shows, a limit that nobody holds.
      for (const field of only.endpoint)
        if (account.endpoint[field] !== undefined) wrong(['endpoint', field], `goes with ${of}`, undefined);
      for (const field of only.limits)
        if (account.limits?.[field] !== undefined) wrong(['limits', field], `goes with ${of}`, undefined);
    }
    if (account.driver === 'ssh') {
      if (account.oauth) wrong(['oauth'], 'does not go with ssh, where nobody logs in by a token', undefined);
      const problem = account.user === undefined ? undefined : userProblem(account.user);
      if (problem !== undefined) wrong(['user'], problem, undefined);
      return;
    }
    if (account.identity !== undefined) wrong(['identity'], 'goes with ssh', undefined);
    if (account.secrets?.passphrase !== undefined) wrong(['secrets', 'passphrase'], 'goes with ssh', undefined);
    if (account.driver !== 'smtp') return;
    const { auth, tls, host } = account.endpoint;
    const logsIn = account.oauth !== undefined || account.secrets?.password !== undefined;
    if ((auth === 'xoauth2' || auth === 'oauthbearer') && !account.oauth)
      wrong(['endpoint', 'auth'], `${auth} goes with \`oauth\``, undefined);
    if ((auth === 'plain' || auth === 'login') && account.secrets?.password === undefined)
      wrong(['endpoint', 'auth'], `${auth} goes with \`secrets.password\``, undefined);
    if (logsIn && tls === 'none' && !isLoopbackHost(host))
      wrong(['endpoint', 'tls'], 'a log-in goes over TLS: expected starttls or implicit', undefined);
  });
}

const withoutCommands = schemaOf(false);
const withCommands = schemaOf(true);
