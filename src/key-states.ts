import { shown } from './call-options.js';
import { KeylaneError } from './errors.js';
import type { Supervisor } from './host/supervisor.js';
import { globMatches } from './util/glob.js';
import { grouped } from './util/grouped.js';
import { byLoad, type ShardKey } from './wire/shard-key.js';

export interface KeysOptions {
  /** A glob that the whole key must match: `*` any characters, `?` one. @default all */
  match?: string;
  /** So many at most, up to 1,000. @default 100 */
  limit?: number;
  /** Only those that are let alone after failures. @default false */
  stopped?: boolean;
}

/** A key that is in use, or of which something is known. */
export interface KeyState extends ShardKey {
  shard: number;
  /** Requests that wait on the main thread, beside those in the shard. */
  queued: number;
  /** What batches have learned of how many of its requests are best in flight, where one runs with `concurrency: 'auto'`. */
  limit?: number;
}

/** What has learned how many requests of a key are best in flight. */
export interface LimitsLearned {
  learned(key: string): number | undefined;
}

const DEFAULT_LIMIT = 100;
const MOST = 1_000;
const LONGEST_MATCH = 1_024;
const OPTIONS = new Set(['match', 'limit', 'stopped']);
const NONE = { opening: 0, idle: 0, checking: 0, busy: 0, full: 0, closing: 0 };

/** What all shards and the main thread know of keys: those with most requests first, then those that are let alone. */
export async function keyStates(
  shards: readonly Supervisor[],
  options: KeysOptions,
  learned: Iterable<LimitsLearned>,
): Promise<KeyState[]> {
  checkKeysOptions(options);
  const { match, limit = DEFAULT_LIMIT, stopped = false } = options;
  const matches = (key: string) => match === undefined || globMatches(match, key);
  const all = await Promise.all(
    shards.map(async (supervisor) => {
      const { shard, admission } = supervisor;
      const busiest = stopped ? [] : admission.busiest(limit, matches);
      // Those of which most waits here may have nothing in their shard.
      const also = busiest.map(({ key }) => key);
      const states = new Map<string, KeyState>();
      for (const inside of (await supervisor.keys({ match, limit, stopped, also })) ?? [])
        states.set(inside.key, { ...inside, shard, queued: 0 });
      for (const { key, queued, inFlight } of busiest) {
        const state = states.get(key);
        if (state) state.queued = queued;
        // It does not say, or has forgotten it meanwhile.
        else states.set(key, { ...nothingOf(key), shard, queued, requests: inFlight });
      }
      return [...states.values()];
    }),
  );
  const states = all.flat().sort(byLoad).slice(0, limit);
  for (const state of states) addLimit(state, learned);
  return states;
}

function nothingOf(key: string): ShardKey {
  return { key, drivers: [], requests: 0, waiting: 0, lanes: 0, connections: { ...NONE } };
}

/** Several batches may each have learned one: the largest was not too many. */
function addLimit(state: KeyState, learned: Iterable<LimitsLearned>): void {
  for (const batch of learned) {
    const limit = batch.learned(state.key);
    if (limit !== undefined) state.limit = Math.max(limit, state.limit ?? 0);
  }
}

function checkKeysOptions(options: KeysOptions): void {
  const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
  const { match, limit, stopped } = options;
  const says =
    unknown !== undefined
      ? `unknown option \`${unknown}\`: keys takes ${[...OPTIONS].join(', ')}`
      : match !== undefined && !(typeof match === 'string' && match.length <= LONGEST_MATCH)
        ? `\`match\` must be a text of at most ${LONGEST_MATCH} characters, not ${shown(match)}`
        : limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= MOST)
          ? `\`limit\` must be a whole number from 1 to ${grouped(MOST)}, not ${shown(limit)}`
          : stopped !== undefined && typeof stopped !== 'boolean'
            ? `\`stopped\` must be true or false, not ${shown(stopped)}`
            : undefined;
  if (says !== undefined) throw new KeylaneError('ERR_INPUT', says);
}
