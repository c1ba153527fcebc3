import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Serving } from '../support/serve.ts';
import { Desk, examplesIn, Servers } from './recipes.ts';

const PAGE = readFileSync(new URL('../../docs/client.md', import.meta.url), 'utf8');
const { files, scripts } = examplesIn(PAGE);

let servers: Servers;
let serving: Serving;
let desk: Desk;
beforeAll(async () => {
  servers = await Servers.start(['web-1', 'web-2', 'web-3'], 209);
  desk = new Desk(servers.sshConfig);
  serving = await Serving.start(['-F', join(desk.dir, 'home/.ssh/config')]);
  // It listens where it can.
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(desk.dir, name), text.replaceAll('http://127.0.0.1:7473', serving.url));
});
afterAll(async () => {
  desk.clear();
  await servers.stop();
});

async function ran(script: string): Promise<string[]> {
  const env = { KEYLANE_TOKEN: serving.token, KEYLANE_CONFIG: 'none' };
  const { status, out, err } = await desk.run(script.replaceAll('http://127.0.0.1:7473', serving.url), env);
  expect({ status, err }).toEqual({ status: 0, err: '' });
  return out.trimEnd().split('\n');
}

test('every example of the page is run', () => {
  expect(Object.keys(files).sort()).toEqual(['kept.mjs', 'live.mjs', 'many.mjs', 'one.mjs']);
  expect(scripts).toHaveLength(1);
});

test('one request', async () => {
  expect(await ran('node one.mjs')).toEqual(['0 Linux']);
});

test('many requests', async () => {
  const lines = await ran('node many.mjs');
  expect(lines.sort()).toEqual(['0 web-1 failed 3', '1 web-2 failed 3', '2 web-3 failed 3']);
});

test('live, both ways', async () => {
  expect(await ran('node live.mjs')).toEqual(['stdout HELLO', '0']);
});

test('a batch that is kept', async () => {
  const lines = await ran('node kept.mjs');
  expect(lines.slice(0, 3).sort()).toEqual(['web-1 ok true', 'web-2 ok true', 'web-3 ok true']);
  expect(lines.slice(3)).toEqual(['done 3']);
});

test('keylane top', async () => {
  const lines = await ran(scripts[0]!);
  expect(lines[0]).toContain('keylane ');
  expect(lines.join('\n')).toContain('SHARD');
});
