import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { CRASH } from '../support/drivers/own.js';
import { runProgram } from '../support/programs/run.js';

test('a driver that fills its heap takes its shard along, and no other, nor the program (W1)', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-heap-'));
  try {
    const witness = join(dir, 'witness');
    // Each heap of the process has this limit. (An array that grows past it aborts the process: nodejs/node #47224.)
    const flags = ['--max-old-space-size=64'];
    const { stdout } = await runProgram('heap-limit', [fileURLToPath(CRASH), witness], flags);
    expect(JSON.parse(stdout)).toEqual({ killer: 'ERR_SHARD_DIED unknown', others: ['ok'], next: 'ok' });
    expect(readFileSync(witness, 'utf8').split('\n')).toContain('0');
  } finally {
    rmSync(dir, { recursive: true });
  }
});
