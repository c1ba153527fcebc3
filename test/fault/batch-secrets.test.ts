import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDataDir } from '../support/journal-process.ts';
import { freePort } from '../support/ports.ts';

test('a journal holds no password, passphrase, variable or stdin of a request: neither the value nor the request (X2)', async () => {
  const dataDir = temporaryDataDir();
  const canary = () => `canary-${randomBytes(12).toString('hex')}`;
  const secrets = { password: canary(), passphrase: canary(), env: canary(), stdin: canary() };
  process.env.KEYLANE_TEST_PASSWORD = secrets.password;
  const file = join(dataDir, 'passphrase');
  writeFileSync(file, secrets.passphrase, { mode: 0o600 });
  const engine = await createEngine({ shards: 1, dataDir, ssh: { hostKeys: 'insecure' } });
  onTestFinished(() => {
    delete process.env.KEYLANE_TEST_PASSWORD;
    return engine.close();
  });
  const request = {
    ...{ host: '127.0.0.1', port: await freePort(['127.0.0.1']), command: 'true', stdin: secrets.stdin },
    ...{ password: 'env:KEYLANE_TEST_PASSWORD', passphrase: `file:${file}`, env: { TOKEN: secrets.env } },
  };
  const outcomes: string[] = [];
  const options = { journal: true, id: 'secret', attempts: 1, settings: { concurrency: 1 } };
  for await (const { outcome } of engine.batch('ssh', [request, request], options)) outcomes.push(outcome);
  expect(outcomes).toEqual(['not_started', 'not_started']);
  const dir = join(dataDir, 'batches', 'secret');
  const kept = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isFile());
  expect(kept.map(({ name }) => name)).toContain('data.mdb');
  for (const { name } of kept) {
    const bytes = readFileSync(join(dir, name));
    for (const [what, secret] of Object.entries(secrets))
      expect([name, what, bytes.includes(secret)]).toEqual([name, what, false]);
  }
  expect(readFileSync(join(dir, 'data.mdb')).includes('ERR_CONNECT')).toBe(true);
});
