// An engine of one shard that remembers answers, in a process of its own: its memory is theirs.
import { createEngine, type Engine } from 'keylane';
import { collectGarbage } from '../garbage.js';
import { serveProgram } from '../program.js';

let engine: Engine;

const steps = {
  async start({ bytes, gcDriver }: { bytes: number; gcDriver: string }): Promise<void> {
    engine = await createEngine({ shards: 1, cache: { bytesPerShard: bytes }, drivers: [gcDriver] });
  },

  /** Asks for `count` answers of `size` bytes, of which no two are the same, to be remembered or not. */
  async ask({ count, size, cache }: { count: number; size: number; cache: boolean }): Promise<void> {
    const lanes = 16;
    const lane = async (first: number) => {
      for (let i = first; i < count; i += lanes) {
        const payload = Buffer.alloc(size, `${i} `);
        await engine.run('echo', { key: `host-${i % 100}`, payload }, cache ? { cache: true } : {});
      }
    };
    await Promise.all(Array.from({ length: lanes }, (_, first) => lane(first)));
  },

  async held(_: undefined): Promise<{ entries: number; bytes: number }> {
    const { entries = 0, bytes = 0 } = (await engine.cache.stats()).shards[0] ?? {};
    return { entries, bytes };
  },

  /** Drops what nobody needs, and tells what the shard's thread holds then. */
  async collect(_: undefined): Promise<number> {
    const run = engine.run as (driver: string, request: unknown) => Promise<unknown>;
    const held = (await run.call(engine, 'gc', { key: 'all' })) as number;
    collectGarbage();
    return held;
  },
};

export type CacheFill = typeof steps;

serveProgram(steps);
