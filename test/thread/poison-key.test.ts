import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineEvent } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { CRASH, type CrashRequest } from '../support/drivers/own.js';
import { failure, startEngine, until, verdict } from '../support/engine.js';

const NEIGHBOURS = Array.from({ length: 20 }, (_, i) => `host-${i}`);

/** How it dies, and after how many milliseconds: at once is within `execute`, later in a callback that only a trace knows. */
const WAYS: [NonNullable<CrashRequest['die']>, number][] = [
  ['exit3', 0],
  ['exit3', 5],
  ['throw', 5],
  ['reject', 5],
  ['block', 5],
];

test.each(WAYS)(
  'a key whose requests kill their shard by %s after %d ms is kept out, its neighbours are not (W3)',
  async (die, beforeMs) => {
    const dir = mkdtempSync(join(tmpdir(), 'keylane-poison-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const events: EngineEvent[] = [];
    const onEvent = (event: EngineEvent) => events.push(event);
    // A thread that a busy machine lets wait for its turn is not to be taken for blocked.
    const shardBlockedMs = die === 'block' ? 2_000 : 20_000;
    const engine = await startEngine({ drivers: [CRASH], shardBlockedMs, onEvent });
    const request: CrashRequest = { key: '', id: 0, witness: join(dir, 'witness'), beforeMs: 0, afterMs: 0 };
    const run = (key: string, more: Partial<CrashRequest> = {}) => engine.run('crash', { ...request, ...more, key });
    const inside = async () => (await engine.stats()).shards[0]?.inside;

    for (let death = 0; death < 2; death++) {
      const others = NEIGHBOURS.map((key) => verdict(run(key, { afterMs: 60_000 })));
      await until(async () => (await inside())?.requests === NEIGHBOURS.length);
      const poison = verdict(run('poison', { beforeMs, die }));
      expect(await poison).toBe('ERR_SHARD_DIED unknown');
      expect(await Promise.all(others)).toEqual(new Array(NEIGHBOURS.length).fill('ERR_SHARD_DIED unknown'));
      await until(async () => (await engine.stats()).shards[0]?.state === 'serving');
    }
    const quarantined = { type: 'key_quarantined', shard: 0, key: 'poison', deaths: 2, forMs: 60_000 };
    expect(events.filter(({ type }) => type === 'key_quarantined')).toEqual([quarantined]);

    const refused = await failure(run('poison', { die }));
    expect(refused).toMatchObject({ code: 'ERR_QUARANTINED', outcome: 'not_started', retryable: false, key: 'poison' });
    expect(await Promise.all(NEIGHBOURS.map((key) => run(key, { afterMs: 5 })))).toHaveLength(NEIGHBOURS.length);
    expect((await engine.stats()).shards[0]).toMatchObject({ state: 'serving', restarts: 2 });
  },
);
