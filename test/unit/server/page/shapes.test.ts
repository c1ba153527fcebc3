import type { BatchReport, Engine, EngineStats, Result } from 'keylane';
import { expectTypeOf, test } from 'vitest';
import type { ToldBatch } from '../../../../src/server/batches/told.js';
import type { LoggedEvent } from '../../../../src/server/events.js';
import type { History } from '../../../../src/server/history.js';
import type { ServiceStats } from '../../../../src/server/metrics/stats.js';
import type * as page from '../../../../src/server/page/shapes.js';

test('the dashboard reads what the service tells', () => {
  expectTypeOf<ServiceStats>().toExtend<page.Stats>();
  expectTypeOf<EngineStats>().toExtend<page.Stats['engine']>();
  expectTypeOf<History>().toExtend<page.History>();
  expectTypeOf<LoggedEvent>().toExtend<page.LoggedEvent>();
  expectTypeOf<Awaited<ReturnType<Engine['keys']>>[number]>().toExtend<page.Host>();
  expectTypeOf<ToldBatch>().toExtend<page.Batch>();
  expectTypeOf<BatchReport>().toExtend<page.BatchReport>();
  expectTypeOf<Result>().toExtend<Omit<page.Result, 'host'>>();
});
