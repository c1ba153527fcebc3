import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.js';

test('the file of docs/config.md is valid where it would lie, and comes to what the page says', async () => {
  const page = readFileSync(new URL('../../../docs/config.md', import.meta.url), 'utf8');
  const [, yaml] = /```yaml\n(.*?)```/s.exec(page) ?? [];
  const cwd = mkdtempSync(join(tmpdir(), 'keylane-doc-'));
  try {
    writeFileSync(join(cwd, 'keylane.yaml'), yaml as string);
    const { engine, groups, inventories } = await loadConfig({ cwd, env: { HOME: cwd } });
    expect(engine).toMatchObject({
      limits: { connectionsPerLane: 4, groups: { prod: 50, db: 1 } },
      ssh: { user: 'deploy', identity: join(cwd, '.ssh/fleet'), password: 'env:FLEET_PASSWORD' },
      cache: { ttlMs: { ssh: 60_000 } },
    });
    expect(Object.keys(groups)).toEqual(['web', 'db', 'everything']);
    expect(inventories).toHaveLength(2);
  } finally {
    rmSync(cwd, { recursive: true });
  }
});
