import type { KeylaneError } from '../errors.js';
import type { Attempt, Outcome, Result, Timing } from '../types.js';
import { errorOf, isObject, isOutcome, problemOf } from './problem.js';

/** What a result is told to be about: the service knows only its line. */
export interface About {
  index: number;
  id: string;
  driver: string;
  request: unknown;
  /** A job's own driver is a part of its result. */
  namesDriver?: boolean;
}

/** A settled request as the service tells it (a line of `lineOf`); undefined where it is none. */
export function resultOf(line: unknown, about: About): Result | undefined {
  if (!isObject(line) || !isOutcome(line.outcome)) return undefined;
  const { outcome, key } = line;
  const isAnswer = outcome === 'ok' || outcome === 'failed';
  if (isAnswer ? !('response' in line) : !isObject(line.error)) return undefined;
  const error = isAnswer ? undefined : errorOf({ key, ...(line.error as object), outcome });
  return whole(line, about, outcome, isAnswer ? responseOf(line.response, about) : undefined, error);
}

/** The result of a request that has an error instead of a line. */
export function refusedResult(error: KeylaneError, about: About): Result {
  const told = problemOf(error) ?? {};
  return whole({ ...told, key: told.key ?? error.key }, about, error.outcome, undefined, error);
}

function whole(
  line: Record<string, unknown>,
  { index, id, driver, request, namesDriver }: About,
  outcome: Outcome,
  response: unknown,
  error: KeylaneError | undefined,
): Result {
  const { key, attempts, shard, reused, cache, cached, history } = line;
  const result: Result = {
    index,
    id,
    request,
    key: typeof key === 'string' ? key : '',
    outcome,
    ...(error ? { error } : { response }),
    attempts: typeof attempts === 'number' ? attempts : 0,
    shard: typeof shard === 'number' ? shard : -1,
    reused: reused === true,
    cache: cache === 'hit' || cache === 'stale' || cache === 'miss' ? cache : 'none',
    timing: timingOf(line.timing),
    history: Array.isArray(history) ? (history as Attempt[]) : [],
  };
  if (isObject(cached)) result.cached = cached as NonNullable<Result['cached']>;
  if (typeof line.traceparent === 'string') Object.assign(result, { traceparent: line.traceparent });
  if (namesDriver) result.driver = driver;
  return result;
}

function timingOf(timing: unknown): Timing {
  const told = isObject(timing) ? timing : {};
  const ms = (value: unknown) => (typeof value === 'number' ? value : 0);
  return { queuedMs: ms(told.queuedMs), openMs: ms(told.openMs), runMs: ms(told.runMs) };
}

/** What `ssh` and `http` were to give as bytes comes as text where it is UTF-8, else as base64: both are the bytes again. */
function responseOf(response: unknown, { driver, request }: Pick<About, 'driver' | 'request'>): unknown {
  if ((driver !== 'ssh' && driver !== 'http') || !isObject(response)) return response;
  const asBytes = isObject(request) && request.encoding === 'buffer';
  if (driver === 'http') return asBytes ? { ...response, ...output('body', response.body, asBytes) } : response;
  const { stdout, stderr } = response;
  if (!asBytes && typeof stdout === 'string' && typeof stderr === 'string') return response;
  return { ...response, ...output('stdout', stdout, asBytes), ...output('stderr', stderr, asBytes) };
}

function output(name: string, told: unknown, asBytes: boolean): Record<string, unknown> {
  const bytes = bytesOf(told);
  return bytes ? { [name]: asBytes ? bytes : bytes.toString() } : {};
}

/** Text or `{ base64 }` as bytes. */
export function bytesOf(told: unknown): Buffer | undefined {
  if (typeof told === 'string') return Buffer.from(told);
  if (isObject(told) && typeof told.base64 === 'string') return Buffer.from(told.base64, 'base64');
  return undefined;
}
