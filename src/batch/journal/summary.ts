import type { BatchSummary } from '../../batch-types.js';
import type { Store } from '../../store/store.js';
import { ownerIn } from './claim.js';
import { Header } from './header.js';
import { Marks } from './marks.js';
import { ownerLives } from './owner.js';
import { HEADERS, readMeta, readState } from './records.js';

/** Undefined where nothing was begun there yet. */
export async function summaryOf(store: Store, id: string): Promise<BatchSummary | undefined> {
  const meta = readMeta(store);
  const owner = ownerIn(store);
  const lives = owner !== undefined && (await ownerLives(store.dir, owner));
  // Only now: an owner that has ended meanwhile has said how.
  const recorded = readState(store);
  if (!meta || !recorded) return undefined;
  const { counts, begun, total, updatedAt, ranMs } = recorded;
  const died = recorded.state === 'running' && !lives;
  const state = died ? 'interrupted' : recorded.state;
  const why = died ? 'its process died' : recorded.why;
  const { createdAt, driver, input, settings } = meta;
  const settled = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const left = state === 'canceled' ? { cut: begun - settled, never: (total ?? begun) - begun } : { cut: 0, never: 0 };
  return {
    id,
    state,
    ...(why !== undefined && { why }),
    ...(total !== undefined && { total }),
    begun,
    settled: settled + left.cut + left.never,
    inFlight: begun - settled - left.cut,
    counts: { ...counts, unknown: counts.unknown + left.cut, not_started: counts.not_started + left.never },
    ...{ createdAt, updatedAt, ranMs },
    ...(driver !== undefined && { driver }),
    ...(input && { input }),
    ...(settings !== undefined && { settings }),
    ...(lives && { pid: owner.pid }),
  };
}

/** What the journal says of each request. */
export function marksOf(store: Pick<Store, 'range'>): Marks {
  const marks = new Marks();
  for (const [, value] of store.range({ prefix: HEADERS })) marks.recover(new Header(value));
  return marks;
}
