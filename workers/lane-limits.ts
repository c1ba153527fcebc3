import { KeylaneError } from '../src/errors.js';
import type { Driver, DriverLimits, Quota } from '../src/types.js';
import type { Limits } from '../src/wire/limits.js';

/** What a lane is held to: the engine's limits, and what its driver asks for its peer. */
export interface LaneLimits {
  /** Of the lane. */
  readonly connections: number;
  /** Of its key, over all lanes that have such a bound; Infinity: none. */
  readonly connectionsPerKey: number;
  /** There where its connections may be idle for less than others of the shard. */
  readonly idleMs: number | undefined;
  /** 0: none. */
  readonly maxLifetimeMs: number;
  /** Of an open. */
  readonly connectTimeoutMs: number;
  /** There where its key has some. */
  readonly quotas: readonly Quota[] | undefined;
}

/** Throws `ERR_CONFIG` where a driver asks for what is no limit. */
export function laneLimits(driver: Driver, target: unknown, limits: Limits): LaneLimits {
  const asked = driver.limits?.(target);
  if (!asked) return ofEngine(limits);
  check(asked);
  const { connectionsPerLane = limits.connectionsPerLane, connectionsPerKey = Number.POSITIVE_INFINITY } = asked;
  const { idleMs = Number.POSITIVE_INFINITY, connectTimeoutMs = limits.connectTimeoutMs, quotas } = asked;
  return {
    // More than the key may have would only stand in line.
    connections: Math.min(connectionsPerLane, connectionsPerKey),
    connectionsPerKey,
    idleMs: idleMs < limits.idleMs ? idleMs : undefined,
    maxLifetimeMs: shorter(limits.maxLifetimeMs, asked.maxLifetimeMs),
    connectTimeoutMs,
    quotas: quotas && quotas.length > 0 ? quotas : undefined,
  };
}

/** What a request counts in quotas by units. A driver that cannot tell fails the request: it might count for more. */
export function unitsOf(driver: Driver, request: unknown): number {
  if (!driver.units) return 1;
  const units = driver.units(request);
  if (Number.isSafeInteger(units) && units >= 1) return units;
  throw new KeylaneError('ERR_CONFIG', `the driver counts the request as ${units} units: it must be a whole number`);
}

const known = new WeakMap<Limits, LaneLimits>();

/** One for all lanes that have no limits of their own. */
function ofEngine(limits: Limits): LaneLimits {
  let own = known.get(limits);
  if (!own) {
    const { connectionsPerLane: connections, maxLifetimeMs, connectTimeoutMs } = limits;
    const bounds = { connections, connectionsPerKey: Number.POSITIVE_INFINITY, quotas: undefined };
    own = { ...bounds, idleMs: undefined, maxLifetimeMs, connectTimeoutMs };
    known.set(limits, own);
  }
  return own;
}

/** 0: none. What a driver asks for as that is none. */
function shorter(ofEngine: number, asked: number | undefined): number {
  if (asked === undefined || asked === 0) return asked ?? ofEngine;
  return ofEngine === 0 ? asked : Math.min(ofEngine, asked);
}

function check(asked: DriverLimits): void {
  const { connectionsPerLane, connectionsPerKey, maxLifetimeMs, idleMs, connectTimeoutMs, quotas = [] } = asked;
  const whole = { connectionsPerLane, connectionsPerKey, connectTimeoutMs };
  for (const [name, value] of Object.entries(whole))
    if (value !== undefined && value !== Number.POSITIVE_INFINITY) mustBeWhole(name, value);
  for (const [name, value] of Object.entries({ maxLifetimeMs, idleMs }))
    if (value !== undefined && !(value >= 0)) refuse(name, 'milliseconds from 0 on', value);
  for (const { most, perMs, of } of quotas) {
    mustBeWhole('quotas.most', most);
    if (!(perMs > 0 && Number.isFinite(perMs))) refuse('quotas.perMs', 'milliseconds, more than 0', perMs);
    if (of !== undefined && of !== 'requests' && of !== 'units') refuse('quotas.of', '`requests` or `units`', of);
  }
}

function mustBeWhole(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) refuse(name, 'a whole number from 1 on', value);
}

function refuse(name: string, expected: string, value: unknown): never {
  throw new KeylaneError('ERR_CONFIG', `the driver's limits: \`${name}\` must be ${expected}, not ${String(value)}`);
}
