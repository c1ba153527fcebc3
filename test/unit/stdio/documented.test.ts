import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import type { StdioTarget } from '../../../src/specs/stdio.ts';
import { makeStdioSpec } from '../../../src/specs/stdio.ts';

const page = readFileSync(new URL('../../../docs/stdio.md', import.meta.url), 'utf8');

test('the configuration that docs/stdio.md begins with is valid, and means what the page says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keylane-stdio-'));
  try {
    const file = join(folder, 'keylane.yaml');
    writeFileSync(file, /```yaml\n(.*?)```/s.exec(page)?.[1] as string);
    const { engine } = await loadConfig({ file, env: { HOME: folder } });
    const spec = makeStdioSpec(engine.stdio);
    const targetOf = (server: string) => spec.parse({ server, method: 'x' }).target as StdioTarget;
    expect(targetOf('memory')).toMatchObject({
      command: 'npx',
      cwd: folder,
      secrets: { API_KEY: 'env:MEMORY_API_KEY' },
    });
    expect(targetOf('search')).toMatchObject({ stateless: true, processes: 2, requestsPerProcess: 32 });
    expect(targetOf('typescript')).toMatchObject({ framing: 'content-length', handshake: { kind: 'initialize' } });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the methods that it says may run twice are those that may', () => {
  const told = /methods of MCP that only read \((.*?)\)/s.exec(page)?.[1] ?? '';
  const methods = [...told.matchAll(/`([^`]+)`/g)].map(([, method]) => method as string);
  const spec = makeStdioSpec({ servers: { a: { command: 'a' } } });
  expect(methods).toHaveLength(8);
  for (const method of methods) expect(spec.parse({ server: 'a', method }).idempotent).toBe(true);
});
