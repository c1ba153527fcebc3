import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from 'keylane';
import { expect, test } from 'vitest';

test.each([5, '', {}, []])('a `config` of another kind is refused, and no file is looked for: %s', async (config) => {
  const error = await createEngine({ config } as never).then(
    (engine) => engine.close(),
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining('config') });
});

test('an engine may be made from a configuration file', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-engine-config-'));
  writeFileSync(join(dir, 'keylane.yaml'), 'shards: 2\nlimits: {groups: {db: 1}}\n');
  const engine = await createEngine({ config: join(dir, 'keylane.yaml'), limits: { groups: { web: 5 } } });
  const { shards, groups } = await engine.stats();
  expect([shards.length, Object.keys(groups).sort()]).toEqual([2, ['db', 'web']]);
  await engine.close();
  rmSync(dir, { recursive: true });
});
