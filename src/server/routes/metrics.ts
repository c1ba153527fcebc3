import { openFilesLimit } from '../../util/open-files.js';
import { noteShards, writeEngine, writeKeys } from '../metrics/engine-families.js';
import { writeBatches, writeDisk, writeEvents, writeHttp, writeProcess } from '../metrics/service-families.js';
import { EXPOSITION_TYPE, Exposition } from '../metrics/text.js';
import { Totals } from '../metrics/totals.js';
import type { App, Parts } from '../parts.js';

const MOST_KEYS = 1_000;

/** What Prometheus scrapes. */
export function metricsRoutes(app: App, { engine, options, monitor, http, events, live, batches }: Parts): void {
  const maxFds = openFilesLimit();
  const totals = new Totals();
  monitor.hear((stats) => noteShards(totals, stats.engine));
  app.get('/metrics', { config: { needs: 'read' } }, async ({ principal }, reply) => {
    const [stats, cache, keys] = await Promise.all([
      monitor.stats(),
      engine.cache.stats(),
      options.metrics?.keys ? engine.keys({ limit: MOST_KEYS }) : [],
    ]);
    const out = new Exposition();
    noteShards(totals, stats.engine);
    writeEngine(out, stats.engine, totals);
    writeKeys(
      out,
      keys.filter(({ key }) => principal.seesKey(key)),
    );
    writeDisk(out, cache.disk);
    writeBatches(out, batches.counts);
    writeHttp(out, http, stats, live.counts.opened);
    writeProcess(out, stats, maxFds);
    writeEvents(out, events);
    return reply.type(EXPOSITION_TYPE).send(out.text);
  });
}
