import type { Client, History, ServiceStats, ToldBatch } from '../client/index.js';
import type { KeyState } from '../index.js';

/** A key that is let alone after failures. */
export type OpenBreaker = NonNullable<KeyState['breaker']> & { key: string };

/** All that is shown at once. */
export interface Look {
  stats: ServiceStats;
  history: History;
  /** Those that run. */
  batches: ToldBatch[];
  breakers: OpenBreaker[];
}

type Asked = Pick<Client, 'serviceStats' | 'history' | 'keys'> & { batches: Pick<Client['batches'], 'list'> };

/** Samples of the history that are shown: two minutes. */
const SAMPLES = 120;
const MOST_LISTED = 50;

/** Asks a service how it is. */
export async function lookAt(service: Asked): Promise<Look> {
  const [stats, history, batches, stopped] = await Promise.all([
    service.serviceStats(),
    service.history(SAMPLES),
    service.batches.list({ state: 'running', limit: MOST_LISTED }),
    service.keys({ stopped: true, limit: MOST_LISTED }),
  ]);
  const breakers = stopped.flatMap(({ key, breaker }) => (breaker ? [{ ...breaker, key }] : []));
  return { stats, history, batches, breakers };
}
