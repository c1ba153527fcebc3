import type { Remembered } from '../cache/second-level.js';
import { KeylaneError } from '../errors.js';
import type { Tried } from '../tries.js';
import type { Outcome, Result } from '../types.js';

/** The result of a request whose last try was handed over and is settled. */
export function resultOf<Req, Res>(
  index: number,
  request: Req,
  { call, attempts, history }: Tried,
  ok: (response: unknown) => boolean,
): Result<Req, Res> {
  const { key, response, error, shard, reused, heldMs, queuedUs, openUs, runUs, note } = call;
  const timing = {
    queuedMs: Math.round(heldMs * 1000 + queuedUs) / 1000,
    openMs: openUs / 1000,
    runMs: runUs / 1000,
  };
  const how = {
    // What was answered out of memory was not tried.
    attempts: call.isRemembered ? attempts - 1 : attempts,
    ...{ shard, reused, cache: note?.status ?? ('none' as const) },
    ...(note && call.isRemembered ? { cached: { level: 'shard' as const, ageMs: note.ageMs } } : {}),
    ...{ timing, history },
  };
  if (error) return { index, id: String(index), request, key, outcome: error.outcome, error, ...how };
  let outcome: Outcome;
  try {
    outcome = ok(response) ? 'ok' : 'failed';
  } catch (cause) {
    const says = `the driver cannot read its own response: ${String(cause)}`;
    const unread = new KeylaneError('ERR_PROTOCOL', says, { key, cause });
    return { index, id: String(index), request, key, outcome: unread.outcome, error: unread, ...how };
  }
  return { index, id: String(index), request, key, outcome, response: response as Res, ...how };
}

/** The result of a request whose answer was on disk. */
export function rememberedResult<Req, Res>(
  index: number,
  request: Req,
  key: string,
  { status, ageMs, response }: Remembered,
): Result<Req, Res> {
  const timing = { queuedMs: 0, openMs: 0, runMs: 0 };
  const never = { attempts: 0, shard: -1, reused: false, timing, history: [] };
  const cached = { level: 'disk' as const, ageMs };
  // Nothing else is kept there.
  return {
    index,
    id: String(index),
    request,
    key,
    outcome: 'ok',
    response: response as Res,
    cache: status,
    cached,
    ...never,
  };
}

/** The result of a request that never left the main thread. */
export function unsubmitted<Req, Res>(index: number, request: Req, key: string, error: KeylaneError): Result<Req, Res> {
  const timing = { queuedMs: 0, openMs: 0, runMs: 0 };
  const never = { attempts: 0, shard: -1, reused: false, cache: 'none' as const, timing, history: [] };
  return { index, id: String(index), request, key, outcome: error.outcome, error, ...never };
}
