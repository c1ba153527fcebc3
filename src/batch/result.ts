import type { Remembered } from '../cache/second-level.js';
import type { Call } from '../call.js';
import { KeylaneError } from '../errors.js';
import { attemptOf, inTheLightOf, type Tried } from '../tries.js';
import type { Attempt, Outcome, Result, Spec } from '../types.js';
import type { Item } from './item.js';

const NO_TIME = { queuedMs: 0, openMs: 0, runMs: 0 };
const NEVER_TRIED = { shard: -1, reused: false } as const;

/** As much of who asked as a result tells. */
export type Asked<Req> = Pick<Item<Req>, 'index' | 'id' | 'request' | 'own' | 'isInterrupted' | 'traceparent'>;

/** How a call ended, by what its driver makes of the response. */
export function outcomeOf({ error, response }: Call, spec: Pick<Spec, 'ok'>): Outcome {
  if (error) return error.outcome;
  try {
    return spec.ok(response) ? 'ok' : 'failed';
  } catch {
    return 'unknown';
  }
}

/** The result of a request whose last try was handed over and is settled. */
export function resultOf<Req, Res>(
  item: Asked<Req>,
  { call, attempts: tries, history }: Tried,
  ok: (response: unknown) => boolean,
): Result<Req, Res> {
  const { key, response, shard, reused, heldMs, queuedUs, openUs, runUs, note } = call;
  const { index, id, request } = item;
  let { error } = call;
  let outcome: Outcome = 'ok';
  try {
    if (error) outcome = error.outcome;
    else if (!ok(response)) outcome = 'failed';
  } catch (cause) {
    const says = `the driver cannot read its own response: ${String(cause)}`;
    error = new KeylaneError('ERR_PROTOCOL', says, { key, cause });
    outcome = error.outcome;
  }
  const timing = {
    queuedMs: Math.round(heldMs * 1000 + queuedUs) / 1000,
    openMs: openUs / 1000,
    runMs: runUs / 1000,
  };
  // What was answered out of memory was not tried.
  const attempts = call.isRemembered ? tries - 1 : tries;
  const cache = note?.status ?? 'none';
  const result: Result<Req, Res> = error
    ? { index, id, request, key, outcome, error, attempts, shard, reused, cache, timing, history }
    : { index, id, request, key, outcome, response: response as Res, attempts, shard, reused, cache, timing, history };
  if (note && call.isRemembered) result.cached = { level: 'shard', ageMs: note.ageMs };
  return named(item, result);
}

/** The result of a request whose answer was on disk. */
export function rememberedResult<Req, Res>(
  item: Asked<Req>,
  key: string,
  { status, ageMs, response }: Remembered,
): Result<Req, Res> {
  const how = { attempts: 0, ...NEVER_TRIED, timing: { ...NO_TIME }, history: [] };
  const cached = { level: 'disk' as const, ageMs };
  const { index, id, request } = item;
  // Nothing else is kept there.
  return named(item, {
    index,
    id,
    request,
    key,
    outcome: 'ok',
    response: response as Res,
    cache: status,
    cached,
    ...how,
  });
}

/** The result of a request that this process never handed over. */
export function unsubmitted<Req, Res>(item: Asked<Req>, key: string, thrown: KeylaneError): Result<Req, Res> {
  const history = triesBefore(item);
  const error = inTheLightOf(history, thrown);
  const attempts = history.length;
  const how = { attempts, ...NEVER_TRIED, cache: 'none' as const, timing: { ...NO_TIME }, history };
  const { index, id, request } = item;
  return named(item, { index, id, request, key, outcome: error.outcome, error, ...how });
}

/** The result of a request that another process let go before it died, and that may not be run again. */
export function interruptedResult<Req, Res>(item: Asked<Req>, key: string): Result<Req, Res> {
  const error = new KeylaneError('ERR_INTERRUPTED', undefined, { key });
  const how = { attempts: 1, ...NEVER_TRIED, cache: 'none' as const, timing: { ...NO_TIME }, history: [] };
  const { index, id, request } = item;
  return named(item, { index, id, request, key, outcome: error.outcome, error, ...how });
}

/** What is known of tries in other processes. */
export function triesBefore({ isInterrupted }: Asked<unknown>): Attempt[] {
  return isInterrupted ? [attemptOf(new KeylaneError('ERR_INTERRUPTED'))] : [];
}

/** Not spread from an object of two shapes: that made each result a slow object, and a batch three times as slow. */
function named<Req, Res>({ own, traceparent }: Asked<Req>, result: Result<Req, Res>): Result<Req, Res> {
  if (own?.driver !== undefined) result.driver = own.driver;
  if (traceparent !== undefined) result.traceparent = traceparent;
  return result;
}
