import { readFileSync } from 'node:fs';
import { createEngine } from 'keylane';
import * as client from 'keylane/client';
import { expect, expectTypeOf, test } from 'vitest';

test('what a program may import of the client is exactly this', () => {
  expect(Object.keys(client).sort()).toEqual(['KeylaneError', 'connect']);
});

test('a client loads no engine, no package, and starts no thread', () => {
  const root = new URL('../../dist/src/client/index.js', import.meta.url);
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (url: URL) => {
    if (files.has(url.href)) return;
    files.add(url.href);
    const text = readFileSync(url, 'utf8');
    for (const [, fixed, late] of text.matchAll(
      /^(?:import|export)\s(?:[^'";]*?\sfrom\s)?'([^']+)'|\bimport\('([^']+)'\)/gm,
    )) {
      const name = (fixed ?? late) as string;
      if (name.startsWith('.')) visit(new URL(name, url));
      else packages.add(name);
    }
  };
  visit(root);
  const names = [...files].map((href) => href.slice(href.indexOf('/dist/') + 6)).sort();
  expect(names).toContain('src/client/link.js');
  expect(names.filter((name) => /^(workers|src\/(engine|host|store|wire|specs|server|cli)\b)/.test(name))).toEqual([]);
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
