import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, KeylaneError } from '../index.js';
import { Refusal } from './refusal.js';

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
  /** The field that is wrong. */
  field?: string;
  /** Lines of the body that are wrong, the first of them. */
  errors?: readonly { line: number; detail: string }[];
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  ERR_UNAUTHENTICATED: 401,
  ERR_FORBIDDEN: 403,
  ERR_NOT_FOUND: 404,
  ERR_QUOTA: 429,
  ERR_INPUT: 400,
  ERR_CONFIG_UNSUPPORTED: 400,
  ERR_EXISTS: 409,
  ERR_SATURATED: 503,
  ERR_BREAKER_OPEN: 503,
  ERR_CLOSED: 503,
  ERR_SHARD_UNAVAILABLE: 503,
  ERR_QUARANTINED: 503,
  ERR_STORE_BUSY: 503,
  ERR_STORE_FULL: 503,
  ERR_TIMEOUT: 504,
  ERR_CANCELED: 499,
  ERR_CONNECT: 502,
  ERR_DNS: 502,
  ERR_AUTH: 502,
  ERR_AUTH_EXPIRED: 502,
  ERR_TOKEN: 502,
  ERR_HOST_KEY: 502,
  ERR_CONNECTION_LOST: 502,
  ERR_PROTOCOL: 502,
  ERR_SHARD_DIED: 502,
};
/** Seconds after which a client may come again, where nothing better is known. */
const RETRY_AFTER_S = 1;

/** Answers with what went wrong. `status`: where HTTP knows better than the code; `more`: what else is known. */
export function sendProblem(
  reply: FastifyReply,
  error: KeylaneError,
  status = STATUS[error.code] ?? 500,
  more?: object,
): FastifyReply {
  const { code, message, outcome, retryable, key, retryAfterMs } = error;
  const problem: ProblemDetails = {
    type: `urn:keylane:error:${code}`,
    title: code,
    status,
    detail: message,
    code,
    outcome,
    retryable,
    ...(key !== undefined && { key }),
    ...(error.errors && { errors: error.errors }),
    ...more,
  };
  if (status === 503 || status === 429)
    reply.header('retry-after', String(retryAfterMs === undefined ? RETRY_AFTER_S : Math.ceil(retryAfterMs / 1000)));
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="keylane"');
  return reply.code(status).type('application/problem+json').send(problem);
}

/** Whatever a hook, a parser or a handler throws. */
export function onError(error: FastifyError | KeylaneError, _request: FastifyRequest, reply: FastifyReply): void {
  if (error instanceof Refusal) sendProblem(reply, error, error.status);
  else if (error instanceof KeylaneError) sendProblem(reply, error);
  else if (error.statusCode !== undefined && error.statusCode < 500)
    sendProblem(reply, new KeylaneError('ERR_INPUT', error.message), error.statusCode);
  else sendProblem(reply, new KeylaneError('ERR_CONFIG', 'the service failed; its log says how'), 500);
}
