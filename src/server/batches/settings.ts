import type { BatchSettings, BatchSummary, Outcome } from '../../index.js';
import { canonical } from './idempotency.js';
import type { RunOptions } from './query.js';

/** What the journal keeps of a batch of the service, so that it can be gone on with, and known again. */
export interface ServiceSettings extends BatchSettings {
  by: 'keylane serve';
  /** Whose it is: a token's name. */
  principal: string;
  options: RunOptions;
  /** How the service reaches hosts, as `keylane batch` has it. */
  flags?: object;
  /** It runs again what ended so in another batch. */
  retryOf?: { id: string; outcomes: readonly Outcome[] };
}

/** Undefined where another program made the batch. */
export function settingsOf({ settings }: Pick<BatchSummary, 'settings'>): ServiceSettings | undefined {
  const found = settings as Partial<ServiceSettings> | undefined;
  return found?.by === 'keylane serve' ? (found as ServiceSettings) : undefined;
}

/** Whose it is; undefined where another program made it. */
export function ownerOf(summary: Pick<BatchSummary, 'settings'>): string | undefined {
  return settingsOf(summary)?.principal;
}

/** Was it asked for in the same way? */
export function asksTheSame(one: ServiceSettings, other: ServiceSettings): boolean {
  const asked = ({ options, retryOf }: ServiceSettings) => canonical([options, retryOf ?? null]);
  return asked(one) === asked(other);
}
