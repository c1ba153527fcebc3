import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { underOptions } from '../../../src/config/under.js';

const dir = mkdtempSync(join(tmpdir(), 'keylane-under-'));
const file = join(dir, 'keylane.yaml');
afterAll(() => rmSync(dir, { recursive: true }));

test("a program's options go before those of the configuration, field by field", async () => {
  writeFileSync(
    file,
    'shards: 3\nlimits: {connectionsPerLane: 4, idleMs: 1000, groups: {db: 1}}\nssh: {user: deploy}\n',
  );
  const onEvent = () => {};
  const options = await underOptions({
    config: file,
    limits: { idleMs: 5, groups: { web: 2 } },
    ssh: { port: 22 },
    onEvent,
  });
  expect(options).toEqual({
    shards: 3,
    limits: { connectionsPerLane: 4, idleMs: 5, groups: { db: 1, web: 2 } },
    ssh: { user: 'deploy', port: 22 },
    onEvent,
  });
});

test('what is wrong with the file is told with its line', async () => {
  writeFileSync(file, 'shards: 3\nlimit: {}\n');
  await expect(underOptions({ config: file })).rejects.toMatchObject({
    code: 'ERR_CONFIG',
    message: expect.stringContaining(`${file}:2: limit: unknown field; did you mean \`limits\`?`),
  });
});
