import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine, type SmtpRequest } from 'keylane';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, until } from '../support/engine.js';
import { Postfix } from '../support/postfix.js';

const USER = 'ana@keylane.test';
const PASSWORD = 'geh heim, €!';
let postfix: Postfix;
let engine: Engine;
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-smtp-'));
  writeFileSync(join(dir, 'right'), PASSWORD);
  writeFileSync(join(dir, 'wrong'), 'no');
  postfix = await Postfix.start({ [USER]: PASSWORD });
  engine = await createEngine({ shards: 1 });
});
afterAll(async () => {
  await engine?.close();
  await postfix?.stop();
  rmSync(dir, { recursive: true });
});

const mail = (more: Partial<SmtpRequest> = {}): SmtpRequest => ({
  host: '127.0.0.1',
  port: postfix.port,
  ca: postfix.certificate.file,
  user: USER,
  password: `file:${join(dir, 'right')}`,
  envelope: { from: USER, to: ['bob@keylane.test'] },
  raw: 'Subject: hello\n\n.\n..\nfrom ana\r.\r',
  ...more,
});
const delivered = async (subject: string) => {
  const found = () => postfix.mails.find((text) => text.includes(`Subject: ${subject}\n`));
  await until(() => found() !== undefined);
  const text = found() as string;
  return text.slice(text.indexOf('\n\n') + 2);
};

describe('Debian’s postfix, with STARTTLS and a log-in', () => {
  test.each(['plain', 'login'] as const)('takes a message by %s, and delivers it as it was', async (auth) => {
    const raw = `Subject: by ${auth}\n\n.\n..\nfrom ana\r.\r`;
    const response = await engine.run('smtp', mail({ auth, raw }));
    expect(response).toMatchObject({ code: 250, enhanced: '2.0.0', accepted: ['bob@keylane.test'], rejected: [] });
    expect(response.message).toMatch(/^Ok: queued as /);
    expect(await delivered(`by ${auth}`)).toBe('.\n..\nfrom ana\n.\n');
  });

  test('takes bytes of all kinds, and a message of many pieces', async () => {
    const line = `${Buffer.from(Array.from({ length: 400 }, (_, i) => 128 + (i % 128))).toString('latin1')}\n.\n`;
    const body = line.repeat(1_000);
    const raw = Buffer.from(`Subject: long\n\n${body}`, 'latin1');
    expect(await engine.run('smtp', mail({ raw }))).toMatchObject({ code: 250 });
    expect(await delivered('long')).toBe(body);
  });

  test('keeps the recipients that it does not know apart', async () => {
    const to = ['nobody@keylane.test', 'bob@keylane.test', 'x@elsewhere.test', 'carol@keylane.test'];
    const raw = 'Subject: several\n\nhello\n';
    const response = await engine.run('smtp', mail({ envelope: { from: USER, to }, raw }));
    expect(response).toMatchObject({
      code: 250,
      accepted: ['bob@keylane.test', 'carol@keylane.test'],
      rejected: [
        { address: 'nobody@keylane.test', code: 550, enhanced: '5.1.1', message: /User unknown/ },
        { address: 'x@elsewhere.test', code: 550, enhanced: '5.1.1', message: /nothing leaves here/ },
      ].map(({ message, ...one }) => ({ ...one, message: expect.stringMatching(message) })),
    });
    expect(await delivered('several')).toBe('hello\n');
  });

  test('refuses a message for nobody, and takes the next on the same connection', async () => {
    const to = ['nobody@keylane.test'];
    const own = await createEngine({ shards: 1, smtp: { connections: 1 } });
    try {
      const refused = await own.run('smtp', mail({ envelope: { from: USER, to } }));
      expect(refused).toMatchObject({ step: 'RCPT', code: 550, enhanced: '5.1.1', accepted: [] });
      expect(await own.run('smtp', mail())).toMatchObject({ code: 250 });
      expect((await own.stats()).shards[0]?.inside?.opened).toBe(1);
    } finally {
      await own.close();
    }
  });

  test('is told nothing of a message that is larger than it takes', async () => {
    const error = await failure(engine.run('smtp', mail({ raw: 'x'.repeat(1_000_001) })));
    expect(error).toMatchObject({ code: 'ERR_TOO_LARGE', outcome: 'not_started', retryable: false });
    expect(error.message).toContain('1000001 bytes, and the server takes 1000000');
  });

  test('refuses a wrong password, by what it says', async () => {
    const error = await failure(engine.run('smtp', mail({ password: `file:${join(dir, 'wrong')}` })));
    expect(error).toMatchObject({ code: 'ERR_AUTH', outcome: 'not_started' });
    expect(error.message).toMatch(/by PLAIN: 535 5\.7\.8 /);
  });

  test('is not trusted without its certificate', async () => {
    const { ca: _, ...request } = mail();
    const error = await failure(engine.run('smtp', request));
    expect(error).toMatchObject({ code: 'ERR_TLS', outcome: 'not_started' });
    expect(error.message).toMatch(/self.signed certificate/);
  });
});
