import { ERRORS, type ErrorCode, KeylaneError, type KeylaneErrorOptions } from '../errors.js';
import type { Outcome, Stopped } from '../types.js';

const OUTCOMES: ReadonlySet<unknown> = new Set<Outcome>(['ok', 'failed', 'not_started', 'unknown', 'canceled']);
const STOPPED: ReadonlySet<unknown> = new Set<Stopped>(['killed', 'left running', 'unknown']);
/** Of what somebody else on the way may answer, too. What is not here says nothing of the request. */
const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'ERR_INPUT',
  401: 'ERR_UNAUTHENTICATED',
  403: 'ERR_FORBIDDEN',
  404: 'ERR_NOT_FOUND',
  405: 'ERR_INPUT',
  409: 'ERR_EXISTS',
  413: 'ERR_INPUT',
  414: 'ERR_INPUT',
  415: 'ERR_INPUT',
  422: 'ERR_INPUT',
  429: 'ERR_QUOTA',
  431: 'ERR_INPUT',
  503: 'ERR_SATURATED',
};
const LONGEST_TEXT = 300;
/** The problem that an error was read from: it tells of the request more than an error can. */
const problems = new WeakMap<KeylaneError, Record<string, unknown>>();

/** What a settled request or a problem (RFC 9457) says of its error; nothing of it is trusted to be there. */
export interface ErrorFields {
  code?: unknown;
  message?: unknown;
  outcome?: unknown;
  retryable?: unknown;
  key?: unknown;
  retryAfterMs?: unknown;
  stopped?: unknown;
}

/** The error of an answer that is not 2xx. `retryAfter`: the header of that name. */
export function errorOfAnswer(
  status: number,
  retryAfter: string | undefined,
  body: unknown,
  text: string,
): KeylaneError {
  const retryAfterMs = waitOf(retryAfter);
  if (isObject(body) && typeof body.code === 'string') {
    const message = body.detail ?? body.title;
    const error = errorOf({ ...body, message, retryAfterMs: body.retryAfterMs ?? retryAfterMs }, `status ${status}`);
    problems.set(error, body);
    return error;
  }
  const code = BY_STATUS[status] ?? 'ERR_PROTOCOL';
  const said = text.trim().slice(0, LONGEST_TEXT);
  const message = `the answer has status ${status}${said === '' ? '' : `: ${JSON.stringify(said)}`}`;
  return new KeylaneError(code, message, { ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

/** The problem that this error was read from, if it was from one. */
export function problemOf(error: KeylaneError): Record<string, unknown> | undefined {
  return problems.get(error);
}

/** A code that a newer service may have, and this client has not, is told by its outcome. */
export function errorOf(fields: ErrorFields, otherwise = 'no message'): KeylaneError {
  const { code, outcome, retryable, key, retryAfterMs, stopped } = fields;
  const isKnown = typeof code === 'string' && Object.hasOwn(ERRORS, code);
  const said = typeof fields.message === 'string' ? fields.message : otherwise;
  const options: KeylaneErrorOptions = {
    ...(isOutcome(outcome) && outcome !== 'ok' && outcome !== 'failed' && { outcome }),
    ...(typeof retryable === 'boolean' && { retryable }),
    ...(typeof key === 'string' && key !== '' && { key }),
    ...(typeof retryAfterMs === 'number' && retryAfterMs >= 0 && { retryAfterMs }),
    ...(STOPPED.has(stopped) && { stopped: stopped as Stopped }),
  };
  if (isKnown) return new KeylaneError(code as ErrorCode, said, options);
  return new KeylaneError('ERR_PROTOCOL', `${typeof code === 'string' ? `${code}: ` : ''}${said}`, options);
}

export function isOutcome(value: unknown): value is Outcome {
  return OUTCOMES.has(value);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Seconds only: a date (RFC 9110 10.2.3) would need both clocks to agree. */
function waitOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,7}$/.test(header) ? Number(header) * 1_000 : undefined;
}
