import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Serving } from '../support/serve.ts';
import { Cli } from './exec-cli.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-serve-config-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

const TOKEN = 'canary-of-a-token-0123456789';

test('tokens, log and limits of the service come from keylane.yaml, and flags go before', async () => {
  const path = file(
    'good.yaml',
    `serve:
  log: { level: silent }
  http: { bodyBytes: 2048 }
  tokens:
    - { name: reader, token: env:READER, readOnly: true }
    - { name: web, token: env:WEB, hosts: [web-*] }
`,
  );
  const env = { READER: `${TOKEN}-1`, WEB: `${TOKEN}-2` };
  const serving = await Serving.start(['--config', path, '--log-level', 'warn'], undefined, env);
  const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
  const level = await serving.ask('/v1/log-level');
  expect(JSON.parse(level.text)).toEqual({ level: 'warn' });
  expect((await serving.ask('/v1/principal', as(env.READER))).text).toContain('"name":"reader"');
  expect((await serving.echo(0, as(env.READER))).status).toBe(403);
  expect((await serving.echo(0, as(env.WEB))).status).toBe(403);
  const body = { driver: 'echo', request: { key: 'web-1', payload: 'x'.repeat(3_000) } };
  expect((await serving.ask('/v1/run', { body, ...as(env.WEB) })).status).toBe(413);
  serving.child.kill('SIGTERM');
  expect((await serving.end()).status).toBe(0);
});

test.each([
  [
    'a field that is not known',
    'serve:\n  prot: 80\n',
    /bad\.yaml:2: serve\.prot: unknown field; did you mean `port`\?/,
  ],
  [
    'a token in the open',
    `serve:\n  tokens:\n    - name: a\n      token: ${TOKEN}\n`,
    /bad\.yaml:4: serve\.tokens\[0\]\.token/,
  ],
])('%s is told with its line, and nothing starts', async (_, text, expected) => {
  const { status, out, err } = await new Cli(['serve', '--config', file('bad.yaml', text)]).end();
  expect(err).toMatch(expected);
  expect(err).not.toContain(TOKEN);
  expect([status, out]).toEqual([2, '']);
});

test('a file that was only found may not say who may have requests run', async () => {
  file('keylane.yaml', 'serve:\n  port: 0\n');
  const { status, err } = await new Cli(
    ['serve', '--data-dir', join(dir, 'data')],
    { KEYLANE_CONFIG: '', HOME: dir },
    dir,
  ).end();
  expect(err).toMatch(/keylane\.yaml:1: serve: would say who may have requests run here, and this file was only found/);
  expect(status).toBe(2);
});
