import { readFileSync } from 'node:fs';
import { createEngine } from 'keylane';
import * as client from 'keylane/client';
import { expect, expectTypeOf, test } from 'vitest';

const root = new URL('../../', import.meta.url);

test('what a program may import of the client is exactly this', () => {
  expect(Object.keys(client).sort()).toEqual(['KeylaneError', 'connect']);
});

test('a client loads no engine, no package, and starts no thread', () => {
  const files = new Set<string>();
  const modules = new Set<string>();
  const packages = new Set<string>();
  const visit = (url: URL) => {
    if (files.has(url.href)) return;
    files.add(url.href);
    const { sources } = JSON.parse(readFileSync(new URL(`${url.href}.map`), 'utf8')) as { sources: string[] };
    for (const source of sources) modules.add(new URL(source, url).href.slice(root.href.length));
    for (const [, fixed, late] of readFileSync(url, 'utf8').matchAll(
      /^(?:import|export)\s(?:[^'";]*?\sfrom\s)?"([^"]+)"|\bimport\("([^"]+)"\)/gm,
    )) {
      const name = (fixed ?? late) as string;
      if (name.startsWith('.')) visit(new URL(name, url));
      else packages.add(name);
    }
  };
  visit(new URL('dist/src/client/index.js', root));
  expect(modules).toContain('src/client/link.ts');
  expect(
    [...modules].filter((name) => /^(workers|src\/(engine|host|store|wire|specs|server|cli)\b)/.test(name)),
  ).toEqual([]);
  expect([...packages].filter((name) => !name.startsWith('node:'))).toEqual([]);
  expect(packages).not.toContain('node:worker_threads');
});

test('an engine and a client are both what runs requests', async () => {
  expectTypeOf<Awaited<ReturnType<typeof createEngine>>>().toExtend<client.Requester>();
  expectTypeOf<client.Client>().toExtend<client.Requester>();
  const service = await client.connect({ url: 'http://127.0.0.1:9' });
  const engine = await createEngine({ shards: 1 });
  try {
    for (const name of [
      'run',
      'result',
      'stream',
      'batch',
      'stats',
      'close',
      'destroy',
      Symbol.asyncDispose,
    ] as const) {
      expect(service[name]).toBeTypeOf('function');
      expect(engine[name]).toBeTypeOf('function');
    }
  } finally {
    await engine.close();
    await service.close();
  }
});
