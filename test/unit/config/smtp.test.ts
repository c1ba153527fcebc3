import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { smtpOptions } from '../../../src/specs/smtp-schema.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'keylane-config-'));
  mkdirSync(join(home, '.config', 'keylane'), { recursive: true });
  mkdirSync(join(home, 'project'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const own = () => join(home, '.config', 'keylane');
const write = (where: string, text: string) => writeFileSync(join(where, 'keylane.yaml'), text);
const load = () => loadConfig({ cwd: join(home, 'project'), env: { HOME: home } });

test('files that the section smtp names are below the folder of the file that names them', async () => {
  write(own(), 'smtp: { host: mx.example, user: me, password: file:pw, ca: tls/ca.pem }\n');
  expect((await load()).engine.smtp).toEqual({
    host: 'mx.example',
    user: 'me',
    password: `file:${own()}/pw`,
    ca: join(own(), 'tls/ca.pem'),
  });
});

test('a file that was only found may say how much is sent, and neither where, nor as whom, nor from which files', async () => {
  const values: Record<string, string> = {
    ...{ host: 'evil.example', port: '25', tls: 'none', ca: 'ca.pem', servername: 'evil.example', user: 'me' },
    ...{ password: 'env:SECRET', auth: 'plain', clientName: 'me', sourceAddress: '192.0.2.1', sourceAddresses: 'auto' },
    ...{ files: 'true', preset: 'gmail', connections: '2', messagesPerMinute: '3', recipientsPerDay: '4' },
    ...{ messagesPerConnection: '5', maxAgeMs: '6000', replyTimeoutMs: '7000' },
  };
  expect(Object.keys(values).sort()).toEqual(Object.keys(smtpOptions.shape).sort());
  const taken: string[] = [];
  for (const [field, value] of Object.entries(values)) {
    write(join(home, 'project'), `smtp: { ${field}: ${value} }`);
    const error = await load().then(
      () => undefined,
      (thrown: Error) => thrown.message,
    );
    if (error === undefined) taken.push(field);
    else
      expect(error).toContain(
        `keylane.yaml:1: smtp.${field}: would say where mail goes, and as whom, and this file was only found`,
      );
  }
  expect(taken).toEqual([
    ...['preset', 'connections', 'messagesPerMinute', 'recipientsPerDay'],
    ...['messagesPerConnection', 'maxAgeMs', 'replyTimeoutMs'],
  ]);
});
