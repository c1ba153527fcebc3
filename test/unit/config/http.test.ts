import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { KeylaneError } from '../../../src/errors.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'keylane-config-'));
  mkdirSync(join(home, '.config', 'keylane'), { recursive: true });
  mkdirSync(join(home, 'project'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const folder = () => join(home, '.config', 'keylane');
const write = (where: string, text: string) => writeFileSync(join(where, 'keylane.yaml'), text);
const load = () => loadConfig({ cwd: join(home, 'project'), env: { HOME: home } });

async function problem(): Promise<string> {
  const error = await load().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(KeylaneError);
  return (error as Error).message;
}

test('files that the section http names are below the folder of the file that names them', async () => {
  write(
    folder(),
    `http:
  ca: tls/ca.pem
  deny: [private, 203.0.113.0/24]
  proxy: http://me@proxy.example:3128
  proxyPassword: file:proxy.secret
  origins:
    https://api.example:
      cert: tls/me.pem
      key: file:tls/me.key
      passphrase: env:PASSPHRASE
      connections: 4
`,
  );
  const { engine } = await load();
  expect(engine.http).toEqual({
    ca: join(folder(), 'tls/ca.pem'),
    deny: ['private', '203.0.113.0/24'],
    proxy: 'http://me@proxy.example:3128',
    proxyPassword: `file:${folder()}/proxy.secret`,
    origins: {
      'https://api.example': {
        cert: join(folder(), 'tls/me.pem'),
        key: `file:${folder()}/tls/me.key`,
        passphrase: 'env:PASSPHRASE',
        connections: 4,
      },
    },
  });
});

test('a file that was only found says neither whom requests go through, nor whom they trust or may reach', async () => {
  for (const said of [
    ...[
      'proxy: http://evil.example',
      'ca: ca.pem',
      'allow: [10.0.0.0/8]',
      'deny: []',
      'origins: { http://10.0.0.1: {} }',
    ],
    ...['proxyPassword: env:SECRET', 'cert: c.pem', 'key: env:SECRET', 'passphrase: env:SECRET', 'servername: other'],
  ]) {
    write(join(home, 'project'), `http: { ${said} }`);
    const field = said.split(':', 1)[0];
    expect(await problem()).toContain(
      `keylane.yaml:1: http.${field}: would say what requests go through, trust and may reach, and this file was only found`,
    );
  }
  write(join(home, 'project'), 'http: { redirects: 0, maxBodyBytes: 10, connections: 2, http2: true }');
  expect((await load()).engine.http).toEqual({ redirects: 0, maxBodyBytes: 10, connections: 2, http2: true });
});

test('what is wrong in the section http is told with its line', async () => {
  write(folder(), 'http:\n  origins:\n    https://api.example/v1: {}\n');
  expect(await problem()).toMatch(/keylane\.yaml:3: http\.origins\.https:\/\/api\.example\/v1: expected an origin/);
  write(folder(), 'http:\n  deny:\n    - 10.0.0.1/8\n');
  expect(await problem()).toMatch(/keylane\.yaml:3: http\.deny.*10\.0\.0\.0\/8/);
});
