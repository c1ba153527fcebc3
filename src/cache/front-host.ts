import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type OnEvent, teller } from '../events.js';
import { Report } from '../report/report.js';
import { dataDirectory, dataPath } from '../store/data-dir.js';
import type { Clock } from '../util/clock.js';
import type { FrontHost } from './front.js';

/** Of the options of an engine what says where answers are kept, and whom to tell that they cannot be. */
interface Home {
  dataDir: string | undefined;
  cache: { diskBytes: number };
  onEvent: OnEvent | undefined;
}

/** The surroundings of an engine's cache. Nothing is opened, loaded or made before its first use. */
export function frontHost(shards: FrontHost['shards'], { dataDir, cache, onEvent }: Home, clock: Clock): FrontHost {
  const tell = teller(onEvent);
  let hasTold = false;
  const failed = (message: string) => {
    hasTold = true;
    tell({ type: 'cache_failed', message });
  };
  return {
    shards,
    clock,
    wallNow: () => Date.now(),
    failed,
    // What keeps answers from the disk keeps the report from it too: one warning is enough.
    report: new Report({ dataDir, clock, failed: (message) => !hasTold && failed(message) }),
    disk: {
      exists() {
        try {
          return existsSync(join(dataPath(dataDir), 'cache'));
        } catch {
          // No home, no directory: nothing was ever kept.
          return false;
        }
      },
      async open() {
        // Loaded here: the store's library is 30 ms that most programs need not spend.
        const { DiskCache } = await import('./disk.js');
        const wasDamaged = (aside: string, { message }: Error) =>
          tell({ type: 'cache_failed', message: `${message}; it was moved to ${aside}, and a new one is begun` });
        return DiskCache.open(join(dataDirectory(dataDir), 'cache'), {
          bytes: cache.diskBytes,
          wallNow: Date.now,
          wasDamaged,
          clock,
        });
      },
    },
  };
}
