import { ERRORS, type ErrorCode, KeylaneError } from '../errors.js';
import type { Outcome, Stopped } from '../types.js';

/** An error as data: what crosses the wall. The key is added where it arrives, by who knows it. */
export interface WireError {
  code: ErrorCode;
  message: string;
  outcome: Outcome;
  retryable: boolean;
  retryAfterMs?: number;
  stopped?: Stopped;
  cause?: WireCause;
}

export interface WireCause {
  name: string;
  message: string;
  code?: string;
}

export function toWire(error: KeylaneError): WireError {
  const { code, message, outcome, retryable, retryAfterMs, stopped, cause } = error;
  const wire: WireError = { code, message, outcome, retryable };
  if (retryAfterMs !== undefined) wire.retryAfterMs = retryAfterMs;
  if (stopped !== undefined) wire.stopped = stopped;
  if (cause !== undefined) wire.cause = causeOf(cause);
  return wire;
}

export function fromWire(wire: WireError, key: string | undefined): KeylaneError {
  const { code, message, outcome, retryable, retryAfterMs, stopped, cause } = wire;
  const options = {
    outcome,
    retryable,
    ...(key === undefined ? {} : { key }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(stopped === undefined ? {} : { stopped }),
  };
  if (!cause) return new KeylaneError(code, message, options);
  const error = Object.assign(new Error(cause.message), { name: cause.name }, cause.code ? { code: cause.code } : {});
  return new KeylaneError(code, message, { ...options, cause: error });
}

/** What a driver threw, as a KeylaneError: its own if it is one, else ERR_PROTOCOL with the original as the cause. */
export function asKeylaneError(thrown: unknown, outcome: Outcome): KeylaneError {
  if (thrown instanceof KeylaneError) return thrown;
  // An error of another copy of this module (a driver of one's own may bring one) still speaks by its code.
  if (thrown instanceof Error && 'code' in thrown && isCode(thrown.code)) {
    const said = 'outcome' in thrown && isOutcome(thrown.outcome) ? thrown.outcome : outcome;
    return new KeylaneError(thrown.code, thrown.message, { outcome: said, cause: thrown.cause });
  }
  const message = thrown instanceof Error ? thrown.message : textOf(thrown);
  return new KeylaneError('ERR_PROTOCOL', `the driver failed: ${message}`, { outcome, cause: thrown });
}

function causeOf(cause: unknown): WireCause {
  if (!(cause instanceof Error)) return { name: 'Error', message: textOf(cause) };
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  return code === undefined
    ? { name: cause.name, message: cause.message }
    : { name: cause.name, message: cause.message, code };
}

function isCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value);
}

/** Of an error; what is ok or failed has a response. */
const OUTCOMES: ReadonlySet<unknown> = new Set<Outcome>(['not_started', 'unknown', 'canceled']);

function isOutcome(value: unknown): value is Outcome {
  return OUTCOMES.has(value);
}

/** Anything can be thrown, also what has no text: that must not leave the run without its answer. */
function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return typeof thrown;
  }
}
