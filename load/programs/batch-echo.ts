// The measured program of batches of `echo`, with a journal and without.
import { createEngine, type Engine } from 'keylane';
import { stopwatch, type Work } from '../measure.js';
import { serveProgram } from '../program.js';

export type BatchEcho = typeof steps;

/** What `auto` grows to, at most. */
const CONCURRENCY = 2_000;
const KEYS = Array.from({ length: 1_000 }, (_, i) => `host-${i}`);

let engine: Engine;

const steps = {
  async start({ dataDir }: { dataDir: string }): Promise<void> {
    engine = await createEngine({ shards: 1, dataDir });
  },

  /** `id`: of its journal; undefined: it has none. */
  async run({ count, id }: { count: number; id: string | undefined }): Promise<Work> {
    const options = { concurrency: CONCURRENCY, ...(id === undefined ? {} : { id, journal: true }) };
    let ok = 0;
    const work = stopwatch();
    for await (const { outcome } of engine.batch('echo', requests(count), options)) if (outcome === 'ok') ok++;
    if (ok !== count) throw new Error(`${ok} of ${count} are ok`);
    return { count, ...work() };
  },

  async close(_: undefined): Promise<void> {
    await engine.close();
  },
};

function* requests(count: number) {
  for (let i = 0; i < count; i++) yield { key: KEYS[i % KEYS.length]!, payload: 'uptime' };
}

serveProgram(steps);
