import { randomUUID } from 'node:crypto';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type ErrorCode, KeylaneError } from '../index.js';
import { FieldError, type FieldProblem, fieldsNamed } from './field-error.js';
import { runBody } from './schemas.js';

/** An error as RFC 9457 has it. `code`, `outcome` and `retryable` are those of docs/errors.md. */
export interface ProblemDetails {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  outcome: string;
  retryable: boolean;
  key?: string;
  /** The field that is wrong; the first of `errors`. */
  field?: string;
  /** Each field, or each line of an input, that is wrong. */
  errors?: readonly (FieldProblem | { line: number; detail: string })[];
  /** Of a fault of the service: what its log calls it. */
  instance?: string;
}

/** 502: a peer of ours did it, 504: it was too slow; 503: not now, and a client may come again. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  ERR_INPUT: 400,
  ERR_CONFIG: 500,
  ERR_CONFIG_UNSUPPORTED: 400,
  ERR_EXISTS: 409,
  ERR_UNAUTHENTICATED: 401,
  ERR_FORBIDDEN: 403,
  ERR_NOT_FOUND: 404,
  ERR_QUOTA: 429,
  ERR_STOPPED: 409,
  ERR_INTERRUPTED: 502,
  // The one who would read it has gone.
  ERR_CANCELED: 499,
  ERR_SATURATED: 503,
  ERR_BREAKER_OPEN: 503,
  ERR_CLOSED: 503,
  ERR_SHARD_UNAVAILABLE: 503,
  ERR_QUARANTINED: 503,
  ERR_STORE_BUSY: 503,
  ERR_STORE_FULL: 503,
  ERR_STORE_CORRUPT: 500,
  ERR_TIMEOUT: 504,
  ERR_CONNECT: 502,
  ERR_DNS: 502,
  ERR_AUTH: 502,
  ERR_AUTH_EXPIRED: 502,
  ERR_TOKEN: 502,
  ERR_HOST_KEY: 502,
  ERR_TLS: 502,
  ERR_DENIED: 403,
  ERR_SPAWN: 502,
  ERR_TOO_LARGE: 413,
  ERR_PASSPHRASE: 502,
  ERR_SUDO: 502,
  ERR_CONNECTION_LOST: 502,
  ERR_PROTOCOL: 502,
  ERR_SHARD_DIED: 502,
};
/** Seconds after which a client may come again, where nothing better is known. */
const RETRY_AFTER_S = 1;
const MOST_ERRORS = 100;
const OPTIONS: ReadonlySet<string> = new Set(Object.keys(runBody.shape));

/** What is answered about an error. `status`: where HTTP knows better than the code. */
function problemOf(error: KeylaneError, status = statusOf(error)): ProblemDetails {
  const { code, message, outcome, retryable, key } = error;
  // Lines of an input say themselves what is wrong with them.
  const isNamed = code === 'ERR_INPUT' && error.errors === undefined;
  const fields = error instanceof FieldError ? error.fields : isNamed ? fieldsNamed(message, OPTIONS) : undefined;
  const errors = error.errors ?? fields;
  const field = fields?.[0]?.field;
  return {
    type: `urn:keylane:error:${code}`,
    title: code,
    status,
    detail: message,
    code,
    outcome,
    retryable,
    ...(key !== undefined && { key }),
    ...(field !== undefined && { field }),
    ...(errors !== undefined && errors.length > 0 && { errors: errors.slice(0, MOST_ERRORS) }),
  };
}

/** Answers with what went wrong; `more`: further members, what is known of the request that failed. */
export function sendProblem(
  reply: FastifyReply,
  error: KeylaneError,
  status = statusOf(error),
  more?: object,
): FastifyReply {
  const { retryAfterMs } = error;
  if (status === 503 || status === 429)
    reply.header('retry-after', String(retryAfterMs === undefined ? RETRY_AFTER_S : Math.ceil(retryAfterMs / 1000)));
  if (status === 401) {
    const isBad = reply.request.headers.authorization !== undefined;
    reply.header('www-authenticate', `Bearer realm="keylane"${isBad ? ', error="invalid_token"' : ''}`);
  }
  reply.code(status).type('application/problem+json');
  return reply.send({ ...problemOf(error, status), ...more });
}

/** Answers whatever a hook, a parser or a handler throws. What is no error of the client's is logged. */
export function errorHandler(log: Logger) {
  return (error: FastifyError | KeylaneError, request: FastifyRequest, reply: FastifyReply): void => {
    const found = knownError(error);
    if (found?.error.cause === error && error instanceof KeylaneError)
      log.error({ code: error.code, reason: error.message }, 'a store cannot be used');
    if (found && (found.status ?? statusOf(found.error)) !== 500) {
      sendProblem(reply, found.error, found.status);
      return;
    }
    // The client gets a name for it, and no more: what is in a stack trace is nobody else's business.
    const ref = randomUUID();
    log.error({ ref, route: `${request.method} ${request.routeOptions.url ?? ''}`, err: error }, 'a request failed');
    const says = new KeylaneError('ERR_CONFIG', `the service failed; its log says how, under ${ref}`);
    const known = found?.error ?? says;
    sendProblem(reply, known, 500, { instance: `urn:uuid:${ref}` });
  };
}

/** Errors of ours, and those of Fastify that are the client's. */
function knownError(error: FastifyError | KeylaneError): { error: KeylaneError; status?: number } | undefined {
  if (error instanceof KeylaneError) return { error: placeless(error) };
  const { statusCode, code } = error;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return { error: new KeylaneError('ERR_STORE_FULL', undefined, { cause: error }) };
  if (statusCode === undefined || statusCode >= 500) return undefined;
  return { error: new KeylaneError('ERR_INPUT', lowerFirst(error.message)), status: statusCode };
}

function statusOf(error: KeylaneError): number {
  const { status } = error as { status?: unknown };
  return typeof status === 'number' ? status : STATUS[error.code];
}

/** Where a store lies is nobody's business but the log's. */
function placeless(error: KeylaneError): KeylaneError {
  const says = STORE_SAYS[error.code];
  return says === undefined || 'status' in error ? error : new KeylaneError(error.code, says, { cause: error });
}

const STORE_SAYS: Partial<Record<ErrorCode, string>> = {
  ERR_STORE_BUSY: 'the service cannot use its store now; its log says why',
  ERR_STORE_CORRUPT: 'what the service has stored is damaged; its log says where',
  ERR_STORE_FULL: 'the disk of the service is full',
};

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
