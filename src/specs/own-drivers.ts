import type { z } from 'zod';
import { KeylaneError } from '../errors.js';
import { pathOf, problemsOf } from '../util/check.js';
import { echoFields, echoSpec } from './echo.js';
import { httpRequest } from './http-schema.js';
import { SMTP_SAID } from './smtp-account.js';
import { plainMail } from './smtp-plain.js';
import { smtpRequest } from './smtp-schema.js';
import { plainRequest } from './ssh-plain.js';
import { sshRequest } from './ssh-schema.js';
import { stdioRequest } from './stdio-schema.js';

/** What can be told of a driver's requests without an engine and its options. */
export interface OwnDriver {
  readonly fields: readonly string[];
  /** The schema of a request; undefined where it is checked by hand. */
  readonly schema: z.ZodObject | undefined;
  /** What is wrong with it, each with its path; undefined where nothing is. */
  problem(request: Readonly<Record<string, unknown>>): string | undefined;
  /** Kinds of values that a field takes, as zod calls them. */
  takes(field: string): readonly string[] | undefined;
}

const ECHO_TAKES: Readonly<Record<string, readonly string[]>> = { openMs: ['number'], delayMs: ['number'] };

/** Of `Drivers` those that every engine has. */
export type OwnDriverName = 'echo' | 'ssh' | 'smtp' | 'stdio' | 'http';

export const OWN_DRIVERS: Readonly<Record<OwnDriverName, OwnDriver>> = {
  echo: {
    fields: echoFields,
    schema: undefined,
    problem(request) {
      try {
        echoSpec.parse(request as never);
        return undefined;
      } catch (error) {
        if (error instanceof KeylaneError) return `request: ${error.message}`;
        throw error;
      }
    },
    takes: (field) => ECHO_TAKES[field],
  },
  ssh: bySchema(sshRequest, { host: 'account' }, (request) => plainRequest(request) !== undefined),
  smtp: bySchema(smtpRequest, SMTP_SAID, (request) => plainMail(request) !== undefined),
  stdio: bySchema(stdioRequest),
  http: bySchema(httpRequest),
};

export function ownDriver(name: string): OwnDriver | undefined {
  return Object.hasOwn(OWN_DRIVERS, name) ? OWN_DRIVERS[name as OwnDriverName] : undefined;
}

const MOST_TOLD = 3;

/** `byAccount`: what an account says in a request that names one, so that the rest of it can be checked. */
function bySchema(
  schema: z.ZodObject,
  byAccount?: Readonly<Record<string, unknown>>,
  isPlain: (request: Readonly<Record<string, unknown>>) => boolean = () => false,
): OwnDriver {
  const taken = new Map<string, readonly string[]>();
  return {
    fields: [...Object.keys(schema.shape), ...(byAccount ? ['account'] : [])],
    schema,
    problem(request) {
      if (isPlain(request)) return undefined;
      const { account, ...rest } = request;
      const named = byAccount !== undefined && account !== undefined;
      if (named && (typeof account !== 'string' || account === ''))
        return 'request.account: expected the name of an account';
      if (named)
        for (const field in byAccount)
          if (rest[field] !== undefined) return `request.${field}: does not go with \`account\`, which says it`;
      const problems = problemsOf(schema, named ? { ...rest, ...byAccount } : request);
      if (problems.length === 0) return undefined;
      return problems
        .slice(0, MOST_TOLD)
        .map(({ path, says }) => `${pathOf('request', path)}: ${says}`)
        .join('; ');
    },
    takes(field) {
      let takes = taken.get(field);
      if (!takes && Object.hasOwn(schema.shape, field)) {
        takes = kindsOf(schema.shape[field] as z.core.$ZodType);
        taken.set(field, takes);
      }
      return takes;
    },
  };
}

/** Of the schema itself, so that it is said once. */
function kindsOf(schema: z.core.$ZodType): readonly string[] {
  const { type, innerType, options } = schema._zod.def as unknown as Inner;
  if (innerType) return kindsOf(innerType);
  return options?.flatMap(kindsOf) ?? [type];
}

/** What zod wraps a schema in. */
interface Inner {
  type: string;
  innerType?: z.core.$ZodType;
  options?: z.core.$ZodType[];
}
