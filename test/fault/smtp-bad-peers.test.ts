import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine, type SmtpRequest } from 'keylane';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canary, foundIn } from '../support/canaries.js';
import { failure } from '../support/engine.js';
import { freePort } from '../support/ports.js';
import { CLOSE, type Dialogue, EHLO, type Script, ScriptedServer, SILENCE } from '../support/smtp-script.js';

/** What each of them is told to whoever asked: a code, whose fault it is, where it was, and what to do. (PROMISES M3) */
const secret = canary();
const WAIT_MS = 400;
let engine: Engine;
let server: ScriptedServer;
let closed: number;
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-smtp-'));
  writeFileSync(join(dir, 'password'), secret);
  engine = await createEngine({
    shards: 1,
    smtp: { replyTimeoutMs: WAIT_MS },
    limits: { connectTimeoutMs: WAIT_MS, breaker: false },
  });
  server = await ScriptedServer.start();
  closed = await freePort(['127.0.0.1']);
});
afterAll(async () => {
  await engine.close();
  await server.stop();
  rmSync(dir, { recursive: true });
});

let last = 0;
const mail = (more: Partial<SmtpRequest> = {}): SmtpRequest => ({
  host: '127.0.0.1',
  port: server.port,
  tls: 'none',
  // A key of its own for each.
  user: `user-${++last}`,
  envelope: { from: 'a@keylane.test', to: ['b@keylane.test'] },
  raw: 'hello\r\n',
  ...more,
});
const withPassword = (): Partial<SmtpRequest> => ({ password: `file:${join(dir, 'password')}` });
const AUTH = `${EHLO.replace('250 8BIT', '250-8BIT')}\r\n250 AUTH PLAIN LOGIN`;

/** Says so for as long as it is taken, or the connection lasts. */
const forever = (text: string) => (dialogue: Dialogue) => {
  const more = () => {
    while (!dialogue.ended && dialogue.write(text));
    if (!dialogue.ended) setImmediate(more);
  };
  more();
  return undefined;
};

interface Bad {
  does: string;
  script?: Script;
  request?: () => Partial<SmtpRequest>;
  is: string;
  says: RegExp;
  retryable: boolean;
}

test.each<Bad>([
  {
    does: 'does not listen',
    request: () => ({ port: closed }),
    is: 'ERR_CONNECT not_started',
    says: /nothing listens there/,
    retryable: true,
  },
  {
    does: 'says nothing at all',
    script: { greeting: SILENCE },
    is: 'ERR_CONNECT not_started',
    says: /did not greet within \d+ ms .*tls: implicit/,
    retryable: true,
  },
  {
    does: 'closes before it greets',
    script: { greeting: CLOSE },
    is: 'ERR_CONNECT not_started',
    says: /closed before the server greeted/,
    retryable: true,
  },
  {
    does: 'resets before it greets',
    script: { greeting: (dialogue) => dialogue.reset() },
    is: 'ERR_CONNECT not_started',
    // At once, so it may come before we know of the connection.
    says: /reset (before the server greeted|\()/,
    retryable: true,
  },
  {
    does: 'greets with 554',
    script: { greeting: '554 5.7.1 you are on a list' },
    is: 'ERR_CONNECT not_started',
    says: /does not serve us: 554 5\.7\.1 you are on a list/,
    retryable: false,
  },
  {
    does: 'greets with 421',
    script: { greeting: '421 4.3.2 too busy' },
    is: 'ERR_CONNECT not_started',
    says: /does not serve us: 421 4\.3\.2 too busy; it may serve us later/,
    retryable: true,
  },
  {
    does: 'is an SSH server',
    script: { greeting: 'SSH-2.0-OpenSSH_9.2' },
    is: 'ERR_PROTOCOL not_started',
    says: /SSH-2\.0-OpenSSH_9\.2.*is an SMTP server on that port\?/,
    retryable: false,
  },
  {
    does: 'greets for ever, in lines',
    script: { greeting: forever('220-and more\r\n') },
    is: 'ERR_PROTOCOL not_started',
    says: /longer than \d+ bytes \(greeting\)/,
    retryable: false,
  },
  {
    does: 'greets for ever, on one line',
    script: { greeting: forever('220-and more') },
    is: 'ERR_PROTOCOL not_started',
    says: /longer than \d+ bytes \(greeting\)/,
    retryable: false,
  },
  {
    does: 'greets twice',
    script: { greeting: '220 here\r\n220 here', EHLO: SILENCE },
    is: 'ERR_PROTOCOL not_started',
    says: /it said `220 here` \(EHLO\); is an SMTP server on that port\?/,
    retryable: false,
  },
  {
    does: 'greets again and again',
    script: { greeting: forever('220 here\r\n') },
    is: 'ERR_PROTOCOL not_started',
    says: /is an SMTP server on that port\?/,
    retryable: false,
  },
  {
    does: 'does not answer EHLO',
    script: { EHLO: SILENCE },
    is: 'ERR_CONNECT not_started',
    says: /no answer to EHLO within/,
    retryable: true,
  },
  {
    does: 'closes at EHLO',
    script: { EHLO: CLOSE },
    is: 'ERR_CONNECT not_started',
    says: /closed during EHLO/,
    retryable: true,
  },
  {
    does: 'refuses EHLO and HELO',
    script: { EHLO: '550 who are you?', HELO: '550 who are you?' },
    is: 'ERR_CONNECT not_started',
    says: /refused HELO: 550 who are you\?; `clientName`/,
    retryable: false,
  },
  {
    does: 'has no log-in',
    request: withPassword,
    is: 'ERR_AUTH not_started',
    says: /offers no log-in, and not PLAIN and LOGIN/,
    retryable: false,
  },
  {
    does: 'has no mechanism of ours',
    script: { EHLO: '250-here\r\n250 AUTH CRAM-MD5' },
    request: withPassword,
    is: 'ERR_AUTH not_started',
    says: /offers CRAM-MD5, and not PLAIN and LOGIN/,
    retryable: false,
  },
  {
    does: 'refuses the password, and repeats it',
    script: { EHLO: AUTH, AUTH: (_, line) => `535 5.7.8 ${line} ${secret} ${Buffer.from(secret).toString('base64')}` },
    request: withPassword,
    is: 'ERR_AUTH not_started',
    says: /refused the log-in of user-\d+ by PLAIN: 535 5\.7\.8 .*look at user and password/,
    retryable: false,
  },
  {
    does: 'takes no log-in now',
    script: { EHLO: AUTH, AUTH: '454 4.7.0 later' },
    request: withPassword,
    is: 'ERR_CONNECT not_started',
    says: /takes no log-in now: 454 4\.7\.0 later/,
    retryable: true,
  },
  {
    does: 'asks on and on in AUTH',
    script: { EHLO: AUTH, AUTH: (_, line) => `334 ${line}` },
    request: withPassword,
    is: 'ERR_PROTOCOL not_started',
    says: /asks on in PLAIN/,
    retryable: false,
  },
  {
    does: 'does not answer AUTH',
    script: { EHLO: AUTH, AUTH: SILENCE },
    request: withPassword,
    is: 'ERR_CONNECT not_started',
    says: /no answer to AUTH within/,
    retryable: true,
  },
  {
    does: 'closes at AUTH',
    script: { EHLO: AUTH, AUTH: CLOSE },
    request: withPassword,
    is: 'ERR_CONNECT not_started',
    says: /closed during AUTH/,
    retryable: true,
  },
  {
    does: 'takes smaller messages only',
    script: { EHLO: '250-here\r\n250 SIZE 6' },
    is: 'ERR_TOO_LARGE not_started',
    says: /the message has 7 bytes, and the server takes 6/,
    retryable: false,
  },
  {
    does: 'has no SMTPUTF8',
    request: () => ({ envelope: { from: 'a@keylane.test', to: ['jürgen@keylane.test'] } }),
    is: 'ERR_INPUT not_started',
    says: /SMTPUTF8/,
    retryable: false,
  },
  {
    does: 'says that it has the message, which it has not been sent',
    script: { DATA: '354 go on\r\n250 2.0.0 taken' },
    is: 'ERR_PROTOCOL not_started',
    says: /said more than it was asked, before it was sent the message/,
    retryable: false,
  },
  ...(['MAIL', 'RCPT', 'DATA'] as const).flatMap((step): Bad[] => [
    {
      does: `does not answer ${step}`,
      script: { [step]: SILENCE },
      is: 'ERR_TIMEOUT not_started',
      says: new RegExp(`no answer to ${step} within ${WAIT_MS} ms \\(replyTimeoutMs\\)`),
      retryable: true,
    },
    {
      does: `answers ${step} with a code of another step`,
      script: { [step]: step === 'DATA' ? '250 go on' : '354 go on' },
      is: 'ERR_PROTOCOL not_started',
      says: new RegExp(`no answer to ${step}: the server said .(250|354) go on. to it`),
      retryable: false,
    },
    {
      does: `answers ${step} without an end, in lines`,
      script: { [step]: forever('250-and more\r\n') },
      is: 'ERR_PROTOCOL not_started',
      says: /a reply is longer than 65536 bytes/,
      retryable: false,
    },
    {
      does: `answers ${step} without an end, on one line`,
      script: { [step]: forever('250 and more') },
      is: 'ERR_PROTOCOL not_started',
      says: /a line of a reply is longer than 4096 bytes/,
      retryable: false,
    },
    {
      does: `answers ${step} with two codes in one reply`,
      script: { [step]: '250-yes\r\n550 no' },
      is: 'ERR_PROTOCOL not_started',
      says: /begins with 250 and goes on with 550/,
      retryable: false,
    },
    {
      does: `answers ${step} with no code`,
      script: { [step]: '\x1b[31mwhat\x07 ever' },
      is: 'ERR_PROTOCOL not_started',
      says: /it said `\?\[31mwhat\? ever`, which is no reply of SMTP/,
      retryable: false,
    },
  ]),
  {
    does: 'is silent after the end of the message',
    script: { end: SILENCE },
    is: 'ERR_TIMEOUT unknown',
    says: /no answer to the message within .* the server may have the message/,
    retryable: false,
  },
  {
    does: 'answers the end of the message with garbage',
    script: { end: 'ok' },
    is: 'ERR_PROTOCOL unknown',
    says: /no answer to the message: it said `ok`/,
    retryable: false,
  },
  {
    does: 'answers the end of the message with 354',
    script: { end: '354 more' },
    is: 'ERR_PROTOCOL unknown',
    says: /354 more/,
    retryable: false,
  },
])('a server that $does: $is', async ({ script = {}, request, is, says, retryable }) => {
  server.now(script);
  const asked = mail(request?.());
  const error = await failure(engine.run('smtp', asked, { timeoutMs: 20_000 }));
  expect(`${error.code} ${error.outcome}`).toBe(is);
  expect(error.message).toMatch(says);
  expect(error.message).toContain(`${asked.user}@127.0.0.1:${asked.port}`);
  expect(error).toMatchObject({ retryable, key: `${asked.user}@127.0.0.1:${asked.port}` });
  const told = `${error.message}\n${error.stack}\n${JSON.stringify(error)}\n${String(error.cause)}`;
  expect(foundIn({ password: secret }, { error: told })).toEqual([]);
});

describe('an answer no is an answer', () => {
  test.each<{ does: string; script: Script; response: object }>([
    {
      does: 'refuses the sender',
      script: { MAIL: '550 5.1.8 not you' },
      response: { step: 'MAIL', code: 550, enhanced: '5.1.8', message: 'not you', accepted: [], rejected: [] },
    },
    {
      does: 'refuses the recipient, in two lines',
      script: { RCPT: '550-5.1.1 no\r\n550 5.1.1 such user' },
      response: {
        step: 'RCPT',
        code: 550,
        enhanced: '5.1.1',
        message: 'no such user',
        accepted: [],
        rejected: [{ address: 'b@keylane.test', code: 550, enhanced: '5.1.1', message: 'no such user' }],
      },
    },
    {
      does: 'refuses DATA',
      script: { DATA: '554 no' },
      response: { step: 'DATA', code: 554, message: 'no', accepted: [], rejected: [] },
    },
    {
      does: 'refuses the message',
      script: { end: '552 5.3.4 too big' },
      response: { step: 'DATA', code: 552, enhanced: '5.3.4', message: 'too big', accepted: [], rejected: [] },
    },
    ...(['MAIL', 'RCPT', 'DATA', 'end'] as const).map((step) => ({
      does: `closes with 421 at ${step}`,
      script: {
        [step]: (dialogue: Dialogue) => {
          dialogue.say('421 4.3.2 shutting down');
          return dialogue.cut();
        },
      },
      response: { step: step === 'end' ? 'DATA' : step, code: 421, enhanced: '4.3.2', message: 'shutting down' },
    })),
    {
      does: 'gives an enhanced code of another class',
      script: { end: '550 2.0.0 no' },
      response: { step: 'DATA', code: 550, message: '2.0.0 no' },
    },
  ])('a server that $does', async ({ script, response }) => {
    server.now(script);
    const given = await engine.run('smtp', mail());
    expect(given).toMatchObject(response);
    if (!('enhanced' in response)) expect(given).not.toHaveProperty('enhanced');
  });

  test.each([EHLO, '250 here'])(
    'recipients that are refused are told apart from those that are not (%j)',
    async (ehlo) => {
      server.now({ EHLO: ehlo, RCPT: (_, line) => (line.includes('no') ? '452 4.2.2 full' : '250 yes') });
      const to = ['a@keylane.test', 'no1@keylane.test', 'b@keylane.test', 'no2@keylane.test'];
      const response = await engine.run('smtp', mail({ envelope: { from: '', to } }));
      const full = { code: 452, enhanced: '4.2.2', message: 'full' };
      expect(response).toMatchObject({
        code: 250,
        accepted: ['a@keylane.test', 'b@keylane.test'],
        rejected: [
          { address: 'no1@keylane.test', ...full },
          { address: 'no2@keylane.test', ...full },
        ],
      });
      expect(response).not.toHaveProperty('step');
      expect(server.heard).toContain('MAIL FROM:<>');
      expect(server.messages).toEqual(['hello']);
    },
  );
});

describe('a connection that has seen a refusal', () => {
  const next = async (script: Script) => {
    server.now(script);
    const first = mail();
    expect(await engine.run('smtp', first)).toHaveProperty('step');
    server.script = { EHLO: server.script.EHLO ?? EHLO };
    expect(await engine.run('smtp', first)).toMatchObject({ code: 250 });
    expect(server.dialogues).toHaveLength(1);
    return server.heard.filter((line) => /^(RSET|MAIL|\.)/.test(line));
  };

  test.each([EHLO, '250 here'])(
    'forgets a message that was begun before the next, and only then (%j)',
    async (ehlo) => {
      expect(await next({ EHLO: ehlo, RCPT: '550 no', DATA: '554 nobody' })).toContain('RSET');
      expect(await next({ EHLO: ehlo, DATA: '554 no' })).toContain('RSET');
      expect(await next({ EHLO: ehlo, end: '554 no' })).not.toContain('RSET');
      // A server without a sender refuses the rest of what came with it.
      expect(await next({ EHLO: ehlo, MAIL: '550 no', RCPT: '503 no', DATA: '503 no' })).not.toContain('RSET');
    },
  );

  test('ends an empty message that was taken for nobody', async () => {
    server.now({ RCPT: '550 no' });
    const request = mail();
    expect(await engine.run('smtp', request)).toMatchObject({ step: 'RCPT', code: 550, accepted: [] });
    server.script = {};
    expect(await engine.run('smtp', request)).toMatchObject({ code: 250 });
    expect(server.messages).toEqual(['', 'hello']);
    expect(server.dialogues).toHaveLength(1);
  });

  test('is given up where DATA is taken of a sender that is not', async () => {
    server.now({ MAIL: '550 no' });
    expect(await engine.run('smtp', mail())).toMatchObject({ step: 'MAIL', code: 550, rejected: [] });
    expect(server.messages).toEqual([]);
  });
});

test('a server that speaks unasked costs its connection, and no request', async () => {
  server.now({ end: '250 taken\r\n250 taken\r\n250 taken' });
  const request = mail();
  expect(await engine.run('smtp', request)).toMatchObject({ code: 250 });
  server.script = {};
  expect(await engine.run('smtp', request, { attempts: 3 })).toMatchObject({ code: 250 });
  expect(server.dialogues).toHaveLength(2);
});

test('a server that knows HELO only is spoken to in its way', async () => {
  server.now({ EHLO: '502 what?' });
  expect(await engine.run('smtp', mail())).toMatchObject({ code: 250 });
  expect(server.heard[1]).toBe('HELO [127.0.0.1]');
});
