import { openBatches } from 'keylane';
import { expect, test, vi } from 'vitest';
import { journalProcess, temporaryDataDir } from '../support/journal-process.ts';
import { seeded } from '../support/seed.ts';

vi.setConfig({ testTimeout: process.env.KEYLANE_LONG ? 900_000 : 60_000 });

const ROUNDS = process.env.KEYLANE_LONG ? 50 : 3;
const ACKNOWLEDGED = 1_000;

test('what was acknowledged is there, however often the process is killed right after (R4)', async () => {
  const dataDir = temporaryDataDir();
  const random = seeded();
  const batches = openBatches({ dataDir });
  const acknowledged = new Set<number>();
  for (let round = 0; round < ROUNDS; round++) {
    const owner = journalProcess(dataDir, 'ack', round === 0 ? 'new' : 'resume');
    const enough = acknowledged.size + ACKNOWLEDGED + random.below(200);
    while (acknowledged.size < enough) for (const index of (await owner.says<number[]>())!) acknowledged.add(index);
    await owner.kill();
    // What it said before it died.
    for (let late = await owner.says<number[]>(); late; late = await owner.says<number[]>())
      for (const index of late) acknowledged.add(index);
    const there = new Map<number, number>();
    for await (const { index, line } of batches.results('b1')) {
      there.set(index, (there.get(index) ?? 0) + 1);
      const { response } = JSON.parse(line) as { response: { payload: string } };
      expect(Number.parseInt(response.payload, 10)).toBe(index);
    }
    expect([...acknowledged].filter((index) => !there.has(index))).toEqual([]);
    expect([...there.values()].filter((count) => count !== 1)).toEqual([]);
    expect((await batches.show('b1')).settled).toBe(there.size);
  }
});
