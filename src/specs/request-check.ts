import type { z } from 'zod';
import { KeylaneError } from '../errors.js';
import { pathOf, problemsOf } from '../util/check.js';
import { echoFields, echoSpec } from './echo.js';
import { plainRequest } from './ssh-plain.js';
import { sshRequest } from './ssh-schema.js';

/**
 * What is wrong with a request as it stands, before anything is looked up for it; undefined where nothing is known to be.
 * Of drivers that are not keylane's own nothing is known.
 */
export function requestProblem(driver: string, request: unknown): string | undefined {
  if (typeof request !== 'object' || request === null || Array.isArray(request))
    return driver === 'ssh' || driver === 'echo' ? '`request` must be an object' : undefined;
  if (driver === 'ssh') return sshProblem(request as Record<string, unknown>);
  return driver === 'echo' ? echoProblem(request) : undefined;
}

/** The names of the fields of a driver's requests; undefined where they are not known. */
export function requestFields(driver: string): readonly string[] | undefined {
  if (driver === 'ssh') return SSH_FIELDS;
  return driver === 'echo' ? echoFields : undefined;
}

/** What the text of a cell means as the value of a field; the text itself where the field takes no such thing. */
export function requestCell(driver: string, field: string, text: string): unknown {
  const takes = driver === 'ssh' ? sshTakes(field) : driver === 'echo' ? ECHO_TAKES[field] : undefined;
  if (!takes) return text;
  if (takes.includes('number') && /^(-?(0|[1-9]\d*)(\.\d+)?|0o[0-7]+)$/.test(text)) return Number(text);
  if (takes.includes('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if (/^[[{]/.test(text) && (takes.includes('array') || takes.includes('object') || takes.includes('record'))) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text;
}

const MOST_TOLD = 3;
const SSH_FIELDS: readonly string[] = [...Object.keys(sshRequest.shape), 'account'];
const ECHO_TAKES: Readonly<Record<string, readonly string[]>> = { openMs: ['number'], delayMs: ['number'] };

function sshProblem(request: Record<string, unknown>): string | undefined {
  if (plainRequest(request)) return undefined;
  const { account, ...rest } = request;
  const named = account !== undefined;
  if (named && (typeof account !== 'string' || account === ''))
    return 'request.account: expected the name of an account';
  if (named && rest.host !== undefined) return 'request.host: does not go with `account`, which says the host';
  const problems = problemsOf(sshRequest, named ? { ...rest, host: 'account' } : request);
  if (problems.length === 0) return undefined;
  return problems
    .slice(0, MOST_TOLD)
    .map(({ path, says }) => `${pathOf('request', path)}: ${says}`)
    .join('; ');
}

function echoProblem(request: object): string | undefined {
  try {
    echoSpec.parse(request as never);
    return undefined;
  } catch (error) {
    if (error instanceof KeylaneError) return `request: ${error.message}`;
    throw error;
  }
}

/** Of the schema itself, so that it is said once. */
function sshTakes(field: string): readonly string[] | undefined {
  let takes = taken.get(field);
  if (!takes && Object.hasOwn(sshRequest.shape, field)) {
    takes = kindsOf(sshRequest.shape[field as keyof typeof sshRequest.shape]);
    taken.set(field, takes);
  }
  return takes;
}

const taken = new Map<string, readonly string[]>();

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
