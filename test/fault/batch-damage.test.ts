import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBatches } from 'keylane';
import { expect, test, vi } from 'vitest';
import { journalProcess, type Said, temporaryDataDir } from '../support/journal-process.ts';
import { seeded } from '../support/seed.ts';

vi.setConfig({ testTimeout: process.env.KEYLANE_LONG ? 900_000 : 60_000 });

const PAGE = 4_096;

test('a batch whose store was damaged after its process died is refused or whole: no crash, no wrong line (R5)', async () => {
  const random = seeded();
  const dataDir = temporaryDataDir();
  const dir = join(dataDir, 'batches', 'b1');
  const owner = journalProcess(dataDir, 'ack', 'new');
  let acknowledged = 0;
  while (acknowledged < 500) acknowledged += (await owner.says<number[]>())!.length;
  await owner.kill();
  const data = join(dir, 'data.mdb');
  const whole = readFileSync(data);
  const pages = whole.length / PAGE;
  const damages: [string, () => void][] = [
    ['cut off', () => truncateSync(data, random.below(whole.length))],
    ['a head is gone', () => writeFileSync(data, Buffer.from(whole).fill(0, PAGE, 2 * PAGE))],
    ...Array.from({ length: process.env.KEYLANE_LONG ? 100 : 3 }, (): [string, () => void] => {
      const page = 2 + random.below(pages - 2);
      return [
        `page ${page} is zeros`,
        () => writeFileSync(data, Buffer.from(whole).fill(0, page * PAGE, (page + 1) * PAGE)),
      ];
    }),
    ['as it was', () => writeFileSync(data, whole)],
  ];
  const batches = openBatches({ dataDir });
  for (const [what, damage] of damages) {
    damage();
    const next = journalProcess(dataDir, 'hold', 'resume');
    const said = (await next.says<Said>())!;
    await next.end();
    if (said.code === undefined) {
      // Not a page that anybody reads any more.
      expect(said.settled).toBeGreaterThanOrEqual(acknowledged);
      for await (const { index, line } of batches.results('b1'))
        expect((JSON.parse(line) as { response: { payload: string } }).response.payload).toBe(
          String(index).padEnd(1_000, '.'),
        );
      continue;
    }
    expect([what, said.code, said.message]).toEqual([what, 'ERR_STORE_CORRUPT', expect.stringContaining(dir)]);
    expect(said.message).toContain('move the directory away');
    expect(await batches.list()).toMatchObject([{ id: 'b1', error: { code: 'ERR_STORE_CORRUPT' } }]);
  }
  expect(await batches.show('b1')).toMatchObject({ state: 'interrupted' });
});
