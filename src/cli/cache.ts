import { createEngine, type Engine, type EngineCache, type EngineOptions, KeylaneError } from '../index.js';
import type { CacheFlags, CacheRuns } from './cache-flags.js';
import { configOf } from './configured.js';
import { exec } from './exec.js';
import { grouped, size } from './figures.js';
import { type Io, UsageError } from './io.js';
import type { Output } from './output.js';
import { visible } from './visible.js';

export interface CacheDeps {
  createEngine(options: EngineOptions): Promise<Pick<Engine, 'cache' | 'close'>>;
  exec: typeof exec;
  now(): number;
}

/** The `keylane cache` commands. */
export function cacheRuns(
  io: Io,
  words: readonly string[] | undefined,
  deps: CacheDeps = { createEngine, exec, now: Date.now },
): CacheRuns {
  const withCache = async (flags: CacheFlags, work: (cache: EngineCache) => Promise<string>): Promise<number> => {
    if (words !== undefined) throw new UsageError('cache takes no -- but in warm');
    const failures: string[] = [];
    const { engine: options } = await configOf(flags, io);
    const onEvent: EngineOptions['onEvent'] = (event) => event.type === 'cache_failed' && failures.push(event.message);
    // No thread is started for what the main thread does alone.
    const engine = await deps.createEngine({ ...options, lazyShards: true, onEvent });
    try {
      const text = await asUsage(() => work(engine.cache));
      if (failures.length === 0) io.stdout.write(text);
    } finally {
      await engine.close();
    }
    for (const message of failures) io.stderr.write(`keylane cache: ${visible(message)}\n`);
    return failures.length === 0 ? 0 : 3;
  };

  return {
    stats: (flags) =>
      withCache(flags, async (cache) => {
        const disk = (await cache.stats()).disk ?? { entries: 0, bytes: 0 };
        if (flags.format !== 'text') return `${JSON.stringify(disk)}\n`;
        return `${grouped(disk.entries)} answers, ${size(disk.bytes)}\n`;
      }),

    list: (flags) =>
      withCache(flags, async (cache) => {
        const { operation, limit, format } = flags;
        const listed = await cache.list({ limit, ...(operation !== undefined && { operation }) });
        if (format === 'json') return `${JSON.stringify(listed, null, 2)}\n`;
        if (format === 'ndjson') return listed.map((one) => `${JSON.stringify(one)}\n`).join('');
        const now = deps.now();
        const lines = listed.map(({ name, key, bytes, storedAt, staleAt, tags }) => {
          const left = staleAt > now ? `${seconds(staleAt - now)} left` : 'over';
          const tagged = tags.length > 0 ? `  ${tags.map(visible).join(' ')}` : '';
          return `${visible(name)}  ${visible(key)}  ${size(bytes)}  ${seconds(now - storedAt)} old, ${left}${tagged}\n`;
        });
        return lines.join('');
      }),

    clear: (patterns, flags) =>
      withCache(flags, async (cache) => {
        if (patterns.length === 0) await cache.clear();
        else await cache.invalidate(...patterns);
        const what = patterns.length === 0 ? 'everything' : patterns.join(' ');
        return flags.format === 'text' ? `forgot ${visible(what)}\n` : `${JSON.stringify({ forgot: patterns })}\n`;
      }),

    warm: (hosts, flags) =>
      deps.exec(hosts, words, { ...flags, fresh: true }, io, undefined, { name: 'cache warm', text: () => SILENT }),
  };
}

/** What is fetched to be remembered is not to be read now. */
const SILENT: Output = { live: false, chunk() {}, result() {}, end() {} };

async function asUsage<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KeylaneError && error.code === 'ERR_INPUT') throw new UsageError(error.message);
    throw error;
  }
}

function seconds(ms: number): string {
  return `${grouped(Math.round(ms / 1_000))} s`;
}
