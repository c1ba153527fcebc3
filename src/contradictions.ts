import { KeylaneError } from './errors.js';
import type { EngineOptions, LimitOptions } from './options.js';

/** What an engine's options stand in. */
export interface Surroundings {
  shards: number;
  /** Connections that the process may open, by its limit of descriptors. */
  openable: number;
}

/**
 * Bounds that cannot both hold are refused by the path of the narrower: which of them was meant is not for us to guess.
 * What is not given has a default that goes with the rest.
 */
export function refuseContradictions({ maxInFlight, limits = {} }: EngineOptions, around: Surroundings): void {
  const problems = [
    ...ofConnections(limits, around),
    exceeds('limits.inFlightPerKey', limits.inFlightPerKey, 'maxInFlight', maxInFlight),
    ...Object.entries(limits.groups ?? {}).map(([name, limit]) =>
      exceeds(`limits.groups.${name}`, limit, 'maxInFlight', maxInFlight),
    ),
    limits.burstPerKey !== undefined && limits.ratePerKey === undefined
      ? 'createEngine.limits.burstPerKey: is of no use without limits.ratePerKey'
      : undefined,
  ].filter((problem) => problem !== undefined);
  if (problems.length > 0) throw new KeylaneError('ERR_CONFIG', problems.join('\n'));
}

function ofConnections(limits: LimitOptions, { shards, openable }: Surroundings): (string | undefined)[] {
  const { connections, connectionsPerShard, connectionsPerLane } = limits;
  const path = 'createEngine.limits.connections';
  const problems = [
    exceeds('limits.connectionsPerLane', connectionsPerLane, 'limits.connectionsPerShard', connectionsPerShard),
  ];
  if (connections === undefined) return problems;
  if (connections < shards) problems.push(`${path}: must be at least the number of shards (${shards}), one each`);
  if (connections > openable) {
    const says = `of the descriptors that it may open (ulimit -n) ${openable} are left for connections`;
    problems.push(`${path}: ${connections} are more than this process can have: ${says}`);
  }
  if (connectionsPerShard !== undefined && connections > connectionsPerShard * shards) {
    const most = connectionsPerShard * shards;
    problems.push(`${path}: ${connections} are more than limits.connectionsPerShard allows all shards (${most})`);
  }
  problems.push(exceeds('limits.connectionsPerLane', connectionsPerLane, 'limits.connections', connections));
  return problems;
}

function exceeds(
  path: string,
  value: number | undefined,
  other: string,
  bound: number | undefined,
): string | undefined {
  if (value === undefined || bound === undefined || value <= bound) return undefined;
  return `createEngine.${path}: ${value} is more than ${other} (${bound})`;
}
