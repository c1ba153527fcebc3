import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { CRASH } from '../support/drivers/own.js';
import { runProgram } from '../support/programs/run.js';

const PRELOAD = new URL('../support/programs/fail-in-threads.mjs', import.meta.url).href;

test('a shard whose threads do not start refuses at once, others serve, and it comes back with the cause gone (W2)', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-start-'));
  try {
    const env = { FAULT_FILE: join(dir, 'fault') };
    const args = [fileURLToPath(CRASH), join(dir, 'witness')];
    const { stdout } = await runProgram('bootstrap-fault', args, ['--import', PRELOAD], env);
    const { refusedMs, ...rest } = JSON.parse(stdout);
    expect(rest).toEqual({
      killer: 'ERR_SHARD_DIED unknown false',
      first: 'ERR_SHARD_UNAVAILABLE not_started true',
      refused: 'ERR_SHARD_UNAVAILABLE not_started true',
      others: 'ok',
      state: 'degraded',
      after: 'ok',
      now: 'serving',
    });
    expect(refusedMs).toBeLessThan(10);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
