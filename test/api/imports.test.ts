import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { PACKAGES, sources, violations } from '../../scripts/imports.mjs';

test('imports point one way', () => {
  expect(violations(sources())).toEqual([]);
});

test('the files are really read', () => {
  const files = Object.keys(sources());
  for (const file of ['src/index.ts', 'workers/shard.ts', 'load/peers/ssh-server.ts']) expect(files).toContain(file);
});

test('src names the entry of a shard once', () => {
  const named = Object.entries(sources()).flatMap(([file, text]) =>
    file.startsWith('src/') ? [...text.matchAll(/'[^'\n]*workers\/[^'\n]*'/g)].map(() => file) : [],
  );
  expect(named).toEqual(['src/host/shard-thread.ts']);
});

test('every runtime dependency has a place where it may be imported, and no more than that', () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const { dependencies } = manifest as { dependencies: Record<string, string> };
  expect(Object.keys(PACKAGES).sort()).toEqual(Object.keys(dependencies).sort());
});

describe('a violation is noticed:', () => {
  const wrong: [string, string, string][] = [
    ['util imports the engine', 'src/util/clock.ts', "import { createEngine } from '../engine.js';"],
    ['wire imports host', 'src/wire/codec.ts', "import { ShardClient } from '../host/shard-client.js';"],
    ['a spec imports wire', 'src/specs/ssh.ts', "import { encode } from '../wire/codec.js';"],
    ['host imports a worker', 'src/host/supervisor.ts', "import { Pool } from '../../workers/pool.js';"],
    ['host imports a worker late', 'src/host/supervisor.ts', "  await import('../../workers/pool.js');"],
    ['a worker imports host', 'workers/shard.ts', "import { Supervisor } from '../src/host/supervisor.js';"],
    ['a worker imports a spec', 'workers/run.ts', "export { spec } from '../src/specs/ssh.js';"],
    ['a driver imports the pool', 'workers/drivers/ssh/index.ts', "import type { Pool } from '../../pool.js';"],
    ['a driver imports a driver', 'workers/drivers/ssh/index.ts', "import { echo } from '../echo/index.js';"],
    [
      'a driver runs code of its spec',
      'workers/drivers/ssh/a.ts',
      "import { parse } from '../../../src/specs/ssh.js';",
    ],
    ['batch runs code of the engine', 'src/batch/batch.ts', "import { createEngine } from '../engine.js';"],
    ['the engine imports the cli', 'src/engine.ts', "import { table } from './cli/table.js';"],
    ['the cli goes past the public surface', 'src/cli/exec.ts', "import {\n  a,\n  b,\n} from '../engine.js';"],
    ['load goes past the public surface', 'load/run.ts', "import { systemClock } from '../src/util/clock.js';"],
    ['the main thread loads ssh2', 'src/engine.ts', "import ssh2 from 'ssh2';"],
    ['another file imports msgpackr', 'workers/shard.ts', "import { Packr } from 'msgpackr';"],
    ['a path below a package', 'src/host/supervisor.ts', "import { x } from 'piscina/dist/x.js';"],
    ['a package that nobody named', 'src/engine.ts', "import 'left-pad';"],
    ['a folder that no rule knows', 'tools/a.ts', "import './b.js';"],
  ];
  test.each(wrong)('%s', (_, file, text) => {
    expect(violations({ [file]: `// a file\n${text}\n` })).toHaveLength(1);
  });
});

describe('what is allowed is left alone:', () => {
  const right: [string, string, string][] = [
    ['an example in a comment', 'src/engine.ts', " * import { createEngine } from 'keylane';"],
    ['the Engine type in batch', 'src/batch/batch.ts', "import type { Engine } from '../engine.js';"],
    ["a driver's own files and a type of its spec", 'workers/drivers/ssh/index.ts', "import { a } from './auth.js';"],
    ['Node itself', 'src/wire/codec.ts', "import { Buffer } from 'node:buffer';"],
    ['any peer in load', 'load/scenarios/ssh-lone.ts', "import { NodeSSH } from 'node-ssh';"],
  ];
  test.each(right)('%s', (_, file, text) => {
    expect(violations({ [file]: `${text}\n` })).toEqual([]);
  });
});
