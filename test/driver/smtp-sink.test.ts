import { createEngine, type Engine, type SmtpRequest } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure } from '../support/engine.js';
import { SmtpSink } from '../support/smtp-sink.js';

/** Faults that postfix's authors found worth having. */
let engine: Engine;
const sinks: SmtpSink[] = [];
beforeAll(async () => {
  engine = await createEngine({ shards: 1 });
});
afterAll(async () => {
  await engine.close();
  await Promise.all(sinks.map((sink) => sink.stop()));
});

const ask = async (flags: readonly string[], more: Partial<SmtpRequest> = {}): Promise<SmtpRequest> => {
  const sink = await SmtpSink.start(flags);
  sinks.push(sink);
  return {
    host: '127.0.0.1',
    port: sink.port,
    tls: 'none',
    envelope: { from: 'a@keylane.test', to: ['b@keylane.test', 'c@keylane.test'] },
    raw: 'hello, grün\r\n',
    ...more,
  };
};

test.each<{ does: string; flags: string[] }>([
  { does: 'has all it can have', flags: [] },
  { does: 'has no 8BITMIME', flags: ['-8'] },
  { does: 'has no enhanced status codes', flags: ['-E'] },
  { does: 'has no PIPELINING', flags: ['-p'] },
  { does: 'knows HELO only', flags: ['-e'] },
  { does: 'answers late', flags: ['-w', '1'] },
  { does: 'reads through a small window', flags: ['-T', '2048'] },
])('a sink that $does takes 20 messages', async ({ flags }) => {
  const request = await ask(flags);
  const all = await Promise.all(
    Array.from({ length: flags.includes('-w') ? 5 : 20 }, () => engine.run('smtp', request)),
  );
  expect(new Set(all.map(({ code, step }) => `${code} ${step}`))).toEqual(new Set(['250 undefined']));
});

test.each<{ flags: string[]; response: object }>([
  { flags: ['-f', 'mail'], response: { step: 'MAIL', code: 500, enhanced: '5.3.0' } },
  { flags: ['-f', 'rcpt'], response: { step: 'RCPT', code: 500, accepted: [] } },
  { flags: ['-f', 'data'], response: { step: 'DATA', code: 500 } },
  { flags: ['-f', '.'], response: { step: 'DATA', code: 500 } },
  { flags: ['-r', 'mail'], response: { step: 'MAIL', code: 450, enhanced: '4.3.0' } },
  { flags: ['-r', 'rcpt'], response: { step: 'RCPT', code: 450 } },
  { flags: ['-r', '.'], response: { step: 'DATA', code: 450 } },
  { flags: ['-Q', 'mail'], response: { step: 'MAIL', code: 421 } },
  { flags: ['-Q', '.'], response: { step: 'DATA', code: 421 } },
  { flags: ['-p', '-f', 'rcpt'], response: { step: 'RCPT', code: 500, accepted: [] } },
])('smtp-sink $flags answers no', async ({ flags, response }) => {
  expect(await engine.run('smtp', await ask(flags))).toMatchObject(response);
});

test.each<{ flags: string[]; is: string }>([
  { flags: ['-f', 'connect'], is: 'ERR_CONNECT not_started' },
  { flags: ['-q', 'connect'], is: 'ERR_CONNECT not_started' },
  { flags: ['-q', 'ehlo'], is: 'ERR_CONNECT not_started' },
  { flags: ['-q', 'mail'], is: 'ERR_CONNECTION_LOST not_started' },
  { flags: ['-q', 'rcpt'], is: 'ERR_CONNECTION_LOST not_started' },
  { flags: ['-q', 'data'], is: 'ERR_CONNECTION_LOST not_started' },
  { flags: ['-q', '.'], is: 'ERR_CONNECTION_LOST unknown' },
])('smtp-sink $flags gives none: $is', async ({ flags, is }) => {
  const { code, outcome } = await failure(engine.run('smtp', await ask(flags)));
  expect(`${code} ${outcome}`).toBe(is);
});
