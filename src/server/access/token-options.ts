import { z } from 'zod';
import { check } from '../../util/check.js';

/** One token of a service, and what its bearer may do. */
export interface TokenOptions {
  /** Of the bearer, as the audit has it. Batches belong to it. `admin` is the token of the first start. */
  name: string;
  /** Never the token itself: `env:NAME`, `file:PATH`, or `sha256:HEX` of it. */
  token: string;
  /**
   * Patterns of hosts (`*` any characters, `?` one; with `:port` also other ports than 22): requests to other hosts are
   * refused, and so is each field that could lead elsewhere. Of `http` they are of the URL's host, where no port is that of
   * the scheme, and redirects must be 0; of `echo` they are of the key, of `stdio` of the server's name. @default all hosts
   */
  hosts?: readonly string[];
  /** Any but `ssh` and `echo` must be named. @default ssh, echo */
  drivers?: readonly string[];
  /** True: it may look at what is its own, and run nothing. @default false */
  readOnly?: boolean;
  /** True: it may do everything, and sees what is everybody's. @default false */
  admin?: boolean;
  /**
   * True: its requests may name files, secrets and sockets of the service's machine, and proxies: `identity`, `password`,
   * `local`, `bearer` and the like. @default false
   */
  files?: boolean;
  /** How much of it. @default no bound */
  quota?: TokenQuota;
}

/** What a token's bearer may have; past it `ERR_QUOTA`. */
export interface TokenQuota {
  /** Requests in a second; may be a fraction. A second's worth may come at once. A batch has as many of its own. @default no bound */
  perSecond?: number;
  /** Requests in flight. A batch has as many of its own. @default no bound */
  inFlight?: number;
  /** Batches that are not ended. @default 1 where `perSecond` or `inFlight` is said, else no bound */
  batches?: number;
}

const MOST_TOKENS = 1_000;

const quota = z.strictObject({
  perSecond: z.number().positive().max(1_000_000).optional(),
  inFlight: z.int().min(1).max(1_000_000).optional(),
  batches: z.int().min(1).max(100_000).optional(),
});

const token = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected a name of letters, digits, `.`, `_` and `-`, at most 64')
      .refine((name) => name !== 'admin', 'is the name of the token of the first start'),
    token: z
      .string()
      .regex(
        /^(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\0]{1,4096}|sha256:[0-9a-fA-F]{64})$/,
        'expected `env:NAME`, `file:PATH`, or `sha256:` and 64 hex digits; keylane takes no token in the open',
      ),
    hosts: z.array(z.string().min(1).max(1_024)).min(1).max(1_000).optional(),
    drivers: z.array(z.string().min(1).max(64)).min(1).max(100).optional(),
    readOnly: z.boolean().optional(),
    admin: z.boolean().optional(),
    files: z.boolean().optional(),
    quota: quota.optional(),
  })
  .superRefine((given, context) => {
    const wrong = (field: keyof typeof given, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message, input: given[field] });
    if (given.admin && given.readOnly) wrong('readOnly', 'does not go with `admin`');
    if (given.admin && (given.hosts || given.drivers)) wrong('admin', 'does not go with `hosts` or `drivers`');
    if (given.hosts && given.files) wrong('files', 'does not go with `hosts`: a file could lead to any host');
  });

export const tokensSchema = z
  .array(token)
  .max(MOST_TOKENS)
  .superRefine((tokens, context) => {
    const names = new Set<string>();
    for (const [index, { name }] of tokens.entries()) {
      if (names.has(name))
        context.addIssue({ code: 'custom', path: [index, 'name'], message: 'is the name of two tokens', input: name });
      names.add(name);
    }
  });

/** Throws `ERR_CONFIG`. */
export function checkTokens(tokens: unknown): readonly TokenOptions[] {
  return check(tokensSchema, tokens, 'createService.tokens', 'ERR_CONFIG') as readonly TokenOptions[];
}
