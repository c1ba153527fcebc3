import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine, type SmtpRequest } from 'keylane';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Certificate } from '../support/certificate.js';
import { failure } from '../support/engine.js';
import { MailServer } from '../support/smtp-server.js';

const PASSWORD = 'pä55 wörd=';
let engine: Engine;
let certificate: Certificate;
let dir: string;
const servers: MailServer[] = [];
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-log-in-'));
  writeFileSync(join(dir, 'right'), PASSWORD);
  writeFileSync(join(dir, 'wrong'), 'no');
  certificate = new Certificate();
  engine = await createEngine({ shards: 1 });
});
afterAll(async () => {
  await engine.close();
  await Promise.all(servers.map((server) => server.stop()));
  certificate.remove();
  rmSync(dir, { recursive: true });
});

async function start(tls: 'starttls' | 'implicit', authMethods: string[]): Promise<MailServer> {
  const { cert, key } = certificate;
  const server = await MailServer.start({
    authOptional: false,
    disabledCommands: [],
    authMethods,
    secure: tls === 'implicit',
    cert,
    key,
    onAuth: ({ username, password }, _session, callback) =>
      password === PASSWORD ? callback(null, { user: username }) : callback(new Error('who are you?')),
  });
  servers.push(server);
  return server;
}

const request = (server: MailServer, tls: 'starttls' | 'implicit', more: Partial<SmtpRequest> = {}): SmtpRequest => ({
  host: '127.0.0.1',
  port: server.port,
  tls,
  ca: certificate.file,
  user: 'ana@keylane.test',
  password: `file:${join(dir, 'right')}`,
  from: 'Ana <ana@keylane.test>',
  to: 'bob@keylane.test',
  subject: 'hello',
  text: 'hello\n.\nbob',
  ...more,
});

describe.each(['starttls', 'implicit'] as const)('with %s', (tls) => {
  test.each([['PLAIN'], ['LOGIN'], ['LOGIN', 'PLAIN']])('a user logs in by %s %s', async (...methods) => {
    const server = await start(tls, methods.filter(Boolean));
    const response = await engine.run('smtp', request(server, tls));
    expect(response).toMatchObject({ code: 250, accepted: ['bob@keylane.test'], rejected: [] });
    const [mail] = server.mails;
    expect(mail).toMatchObject({ user: 'ana@keylane.test', secure: true, from: 'ana@keylane.test' });
    expect(mail?.text).toContain('From: Ana <ana@keylane.test>');
    expect(mail?.text).toContain(`Message-ID: ${response.messageId}`);
    expect(mail?.text).toContain('\r\n\r\nhello\r\n.\r\nbob');
  });

  test('a wrong password is told, and not sent again', async () => {
    const server = await start(tls, ['PLAIN']);
    const asked = request(server, tls, { password: `file:${join(dir, 'wrong')}` });
    const error = await failure(engine.run('smtp', asked, { attempts: 3 }));
    expect(error).toMatchObject({ code: 'ERR_AUTH', outcome: 'not_started', retryable: false });
    expect(error.message).toMatch(/refused the log-in of ana@keylane\.test by PLAIN: 535/);
  });
});

test('connections are used again, up to the messages that one may have', async () => {
  const server = await start('starttls', ['PLAIN']);
  const own = await createEngine({ shards: 1, smtp: { messagesPerConnection: 3, connections: 1 } });
  try {
    for (let i = 0; i < 7; i++) await own.run('smtp', request(server, 'starttls'));
    expect((await own.stats()).shards[0]?.inside?.opened).toBe(3);
  } finally {
    await own.close();
  }
});
