import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine, type SmtpRequest } from 'keylane';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Certificate } from '../support/certificate.js';
import { failure } from '../support/engine.js';
import { type Dialogue, EHLO, type Script, ScriptedServer, SILENCE } from '../support/smtp-script.js';

/** STARTTLS is neither taken out nor filled in by somebody on the way. (PROMISES M5, CVE-2011-0411, NO STARTTLS) */
let engine: Engine;
let server: ScriptedServer;
let certificate: Certificate;
let other: Certificate;
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-starttls-'));
  writeFileSync(join(dir, 'password'), 'hunter2');
  certificate = new Certificate();
  other = new Certificate('DNS:mail.keylane.test');
  engine = await createEngine({ shards: 1, limits: { connectTimeoutMs: 1_000, breaker: false } });
  server = await ScriptedServer.start({}, certificate);
});
afterAll(async () => {
  await engine.close();
  await server.stop();
  certificate.remove();
  other.remove();
  rmSync(dir, { recursive: true });
});

let last = 0;
const mail = (more: Partial<SmtpRequest> = {}): SmtpRequest => ({
  host: '127.0.0.1',
  port: server.port,
  ca: certificate.file,
  user: `user-${++last}`,
  password: `file:${join(dir, 'password')}`,
  envelope: { from: 'a@keylane.test', to: ['b@keylane.test'] },
  raw: 'hello\r\n',
  ...more,
});
const OFFERS = '250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN';
const upgrade = (dialogue: Dialogue) => dialogue.upgrade('220 go on');
const inTls = (offers: string) => (dialogue: Dialogue) => (dialogue.secure ? offers : OFFERS);
const SECURE: Script = { EHLO: inTls('250-here\r\n250 AUTH PLAIN'), STARTTLS: upgrade, AUTH: '235 in' };

test('a message goes over TLS, and what was offered before it is asked for again', async () => {
  server.now(SECURE);
  expect(await engine.run('smtp', mail())).toMatchObject({ code: 250 });
  const [dialogue] = server.dialogues;
  expect(dialogue?.secure).toBe(true);
  expect(dialogue?.heard.map((line) => line.split(' ', 1)[0])).toEqual(
    expect.arrayContaining(['EHLO', 'STARTTLS', 'EHLO', 'AUTH', 'MAIL', 'RCPT', 'DATA']),
  );
  expect(server.messages).toEqual(['hello']);
});

test('a log-in that is offered in the clear only is not taken for one', async () => {
  server.now({ ...SECURE, EHLO: inTls('250 here') });
  const error = await failure(engine.run('smtp', mail()));
  expect(error).toMatchObject({ code: 'ERR_AUTH', outcome: 'not_started' });
  expect(error.message).toContain('offers no log-in');
});

describe('nothing is said in the clear but EHLO and STARTTLS', () => {
  const injected = (more: string) => (dialogue: Dialogue) => dialogue.upgrade(`220 go on${more}`);

  test.each<{ where: string; script: Script; code?: string; says: RegExp }>([
    {
      where: 'STARTTLS is taken out of the list, and refused',
      script: { EHLO: '250-here\r\n250 AUTH PLAIN', STARTTLS: '502 5.5.1 what?' },
      says: /no STARTTLS: 502 5\.5\.1 what\?; .*takes it out.*`tls: 'implicit'`/,
    },
    {
      where: 'STARTTLS is refused',
      script: { EHLO: OFFERS, STARTTLS: '454 4.7.0 no' },
      says: /no STARTTLS: 454 4\.7\.0 no/,
    },
    { where: 'EHLO is refused', script: { EHLO: '500 what?', HELO: '250 here' }, says: /no STARTTLS: 500 what\?/ },
    {
      where: 'an answer comes with the answer to STARTTLS',
      script: { EHLO: OFFERS, STARTTLS: injected('\r\n250-here\r\n250 AUTH PLAIN') },
      says: /bytes came behind the answer to STARTTLS, before TLS/,
    },
    {
      where: 'the beginning of an answer comes with the answer to STARTTLS',
      script: { EHLO: OFFERS, STARTTLS: injected('\r\n250 AUTH PL') },
      says: /bytes came behind the answer to STARTTLS, before TLS/,
    },
    {
      where: 'a blank line comes with the answer to STARTTLS',
      script: { EHLO: OFFERS, STARTTLS: injected('\r\n') },
      says: /bytes came behind the answer to STARTTLS, before TLS/,
    },
    {
      where: 'an answer comes in place of TLS',
      script: {
        EHLO: OFFERS,
        STARTTLS: (dialogue) => {
          dialogue.say('220 go on');
          // Once what it sends for TLS is there.
          setImmediate(() => dialogue.say('250-here\r\n250 AUTH PLAIN'));
          return undefined;
        },
      },
      // The two may come at once.
      says: /no TLS: |before TLS/,
    },
    {
      where: 'the certificate is not one that is trusted',
      script: { EHLO: OFFERS, STARTTLS: upgrade },
      says: /no TLS: .*self.signed certificate.*`ca`/,
    },
    {
      where: 'no TLS comes after the answer to STARTTLS',
      script: { EHLO: OFFERS, STARTTLS: '220 go on' },
      code: 'ERR_CONNECT',
      says: /the TLS handshake did not end within/,
    },
    {
      where: 'STARTTLS is not answered',
      script: { EHLO: OFFERS, STARTTLS: SILENCE },
      code: 'ERR_CONNECT',
      says: /no answer to STARTTLS within/,
    },
  ])('$where', async ({ where, script, code = 'ERR_TLS', says }) => {
    server.now(script);
    const asked = mail(where.includes('trusted') ? { ca: other.file } : {});
    const error = await failure(engine.run('smtp', asked));
    expect(`${error.code} ${error.outcome}`).toBe(`${code} not_started`);
    expect(error.message).toMatch(says);
    expect(error.message).toContain(`${asked.user}@127.0.0.1:${server.port}`);
    expect(error.retryable).toBe(code !== 'ERR_TLS');
    const said = server.heard.map((line) => line.split(' ', 1)[0] as string);
    expect(said.filter((word) => !['EHLO', 'STARTTLS'].includes(word))).toEqual([]);
    expect(server.messages).toEqual([]);
  });
});

test('a certificate for another name is refused, unless that name is asked for', async () => {
  const named = await ScriptedServer.start(SECURE, other);
  try {
    const request = mail({ port: named.port, ca: other.file });
    const error = await failure(engine.run('smtp', request));
    expect(error).toMatchObject({ code: 'ERR_TLS', outcome: 'not_started', retryable: false });
    expect(error.message).toMatch(/no TLS: .*`servername`/);
    const asked = mail({ port: named.port, ca: other.file, servername: 'mail.keylane.test' });
    expect(await engine.run('smtp', asked)).toMatchObject({ code: 250 });
  } finally {
    await named.stop();
  }
});

test('TLS from the first byte is refused by a server that does not begin so, with what to do', async () => {
  server.now({});
  const error = await failure(engine.run('smtp', mail({ tls: 'implicit' })));
  expect(error).toMatchObject({ code: 'ERR_TLS', outcome: 'not_started' });
  expect(error.message).toContain("`tls: 'starttls'`");
});

test('a file of certificates that cannot be used is named', async () => {
  const ca = join(dir, 'password');
  const error = await failure(engine.run('smtp', mail({ ca })));
  expect(error).toMatchObject({ code: 'ERR_TLS', outcome: 'not_started' });
  expect(error.message).toContain(`${ca} cannot be used: there is no PEM certificate in it`);
  const missing = await failure(engine.run('smtp', mail({ ca: `${ca}-not` })));
  expect(missing.message).toContain(`${ca}-not cannot be used: ENOENT`);
});

test('in the clear there is no STARTTLS, only where that is asked for', async () => {
  server.now({ EHLO });
  expect(await engine.run('smtp', { ...mail({ tls: 'none' }) }).catch((error) => error)).toMatchObject({
    code: 'ERR_AUTH',
  });
  expect(server.heard).not.toContain('STARTTLS');
});
