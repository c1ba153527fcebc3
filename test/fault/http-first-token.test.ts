import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runProgram } from '../support/programs/run.ts';
import { newDataDir } from '../support/service.ts';

test('services that start at once in one new directory agree about their token', async () => {
  const { dataDir, remove } = newDataDir();
  onTestFinished(remove);
  const at = String(Date.now() + 1_000);
  const said = await Promise.all([1, 2, 3].map(() => runProgram('first-token', [dataDir, at])));
  const tokens = new Set(said.map(({ stdout }) => stdout.trim()));
  expect([...tokens]).toEqual([readFileSync(join(dataDir, 'serve.token'), 'utf8').trim()]);
});
