import fc from 'fast-check';
import { createEngine, type Engine, KeylaneError, type SmtpRequest } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SEED } from '../support/seed.js';
import { EHLO, ScriptedServer } from '../support/smtp-script.js';

/** Whatever a caller gives, no line of theirs is one of ours, on the wire and among the headers. (PROMISES M10) */
let engine: Engine;
let server: ScriptedServer;
beforeAll(async () => {
  engine = await createEngine({ shards: 1, smtp: { messagesPerConnection: 1 } });
  server = await ScriptedServer.start({ EHLO: `${EHLO.replace('250 8BIT', '250-8BIT')}\r\n250 SMTPUTF8` });
});
afterAll(async () => {
  await engine.close();
  await server.stop();
});

/** Texts that want to be a line of their own, some of which may be: `Ċ` ends in the byte of a line feed. */
const hostile = fc
  .array(
    fc.constantFrom(
      ...[
        '\r\n',
        '\r',
        '\n',
        '\0',
        '\u2028',
        '\u0085',
        'Ċ',
        'č',
        ' ',
        '\t',
        '<',
        '>',
        '"',
        '\\',
        ',',
        ';',
        ':',
        '=?',
        '?=',
      ],
      ...[
        'a',
        'ü',
        '@',
        '@keylane.test',
        'X-Evil: 1',
        'RCPT TO:<evil@keylane.test>',
        'DATA',
        '.',
        'Bcc: evil@keylane.test',
      ],
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''));
/** Beside a right one, so that not all is refused for the address alone. */
const address = fc.oneof(
  { weight: 2, arbitrary: fc.constant('ana@keylane.test') },
  hostile,
  hostile.map((name) => `${name} <ana@keylane.test>`),
  hostile.map((local) => `${local}@keylane.test`),
);
const text = fc.oneof({ weight: 2, arbitrary: fc.constant('hello') }, hostile);
const header = fc.oneof({ weight: 2, arbitrary: fc.constant('X-Ours') }, hostile);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 1 });

const requests = fc.record({
  clientName: fc.oneof({ weight: 4, arbitrary: fc.constant('ours.test') }, hostile),
  from: address,
  to: fc.array(address, { minLength: 1, maxLength: 3 }),
  cc: optional(address),
  replyTo: optional(address),
  subject: text,
  text: fc.oneof(fc.constant('hello'), hostile),
  headers: fc.dictionary(header, text, { maxKeys: 2 }),
  attachments: fc.array(fc.record({ filename: text, content: fc.constant('bytes'), cid: optional(text) }), {
    maxLength: 1,
  }),
  messageId: optional(text),
});
const COMMAND = /^(?:EHLO [\w.-]+|MAIL FROM:<[^<>]*>(?: BODY=8BITMIME| SMTPUTF8)*|RCPT TO:<[^<>]+>|DATA|QUIT)$/;

test('every line of the wire is one of ours, and every header is one that was asked for', async () => {
  let sent = 0;
  const property = fc.asyncProperty(requests, async (fields) => {
    server.dialogues.length = 0;
    const request = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    let recipients: number;
    try {
      const { accepted } = await engine.run('smtp', {
        host: '127.0.0.1',
        port: server.port,
        tls: 'none',
        ...request,
      } as unknown as SmtpRequest);
      recipients = accepted.length;
      sent++;
    } catch (error) {
      expect(error).toBeInstanceOf(KeylaneError);
      expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started' });
      expect(server.heard.filter((line) => !/^(?:EHLO [\w.-]+|QUIT)$/.test(line))).toEqual([]);
      return;
    }
    const { heard } = server;
    expect(heard.filter((line) => !COMMAND.test(line))).toEqual([]);
    expect(heard.filter((line) => line.startsWith('MAIL'))).toHaveLength(1);
    expect(heard.filter((line) => line.startsWith('RCPT'))).toHaveLength(recipients);
    expect(server.messages).toHaveLength(1);
    const [message = ''] = server.messages;
    expect(message).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
    const head = message.slice(0, message.indexOf('\r\n\r\n'));
    const names = head
      .split('\r\n')
      .filter((line) => !/^[ \t]/.test(line))
      .map((line) => line.split(':', 1)[0]?.toLowerCase());
    const ours = 'from to cc reply-to subject message-id date mime-version content-type content-transfer-encoding';
    const asked = Object.keys(fields.headers).map((name) => name.toLowerCase());
    expect(
      names.filter(
        (name) => ![...ours.split(' '), 'content-disposition', 'content-id', ...asked].includes(name as string),
      ),
    ).toEqual([]);
    expect(head.toLowerCase()).not.toMatch(/^(?:x-evil|bcc):/m);
  });
  await fc.assert(property, { seed: SEED, numRuns: process.env.KEYLANE_LONG ? 5_000 : 400 });
  expect(sent).toBeGreaterThan(10);
}, 120_000);
