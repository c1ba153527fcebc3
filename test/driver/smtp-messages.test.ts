import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine, type SmtpRequest } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, until } from '../support/engine.js';
import { EHLO, ScriptedServer } from '../support/smtp-script.js';

let engine: Engine;
let server: ScriptedServer;
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-smtp-'));
  engine = await createEngine({ shards: 1, smtp: { files: true } });
  server = await ScriptedServer.start();
});
afterAll(async () => {
  await engine.close();
  await server.stop();
  rmSync(dir, { recursive: true });
});

const mail = (raw: NonNullable<SmtpRequest['raw']>): SmtpRequest => ({
  host: '127.0.0.1',
  port: server.port,
  tls: 'none',
  envelope: { from: 'a@keylane.test', to: ['b@keylane.test'] },
  raw,
});
const file = (text: string | Buffer): { file: string } => {
  const path = join(dir, 'message');
  writeFileSync(path, text);
  return { file: path };
};
/** As it comes: dots are doubled, line ends are CRLF. */
const stuffed = (text: string) =>
  text
    .replace(/\r\n|\r|\n/g, '\r\n')
    .replace(/^\./gm, '..')
    .replace(/\r\n$/, '');

// Each piece has 64 KiB: line ends and dots at all places around the ends of pieces.
const AROUND = Array.from({ length: 12 }, (_, i) => `${'x'.repeat(65_530 + i)}\r\n.\r\n.\n`);

test.each(['a text', 'bytes', 'a file'])('%s of many pieces arrives as it is', async (what) => {
  for (const text of [...AROUND, AROUND.join(''), 'y'.repeat(65_536), `${'z'.repeat(65_535)}\r`, '\n'.repeat(70_000)]) {
    server.forget();
    const raw = what === 'a file' ? file(text) : what === 'bytes' ? Buffer.from(text) : text;
    expect(await engine.run('smtp', mail(raw))).toMatchObject({ code: 250 });
    // Not by `toEqual`, which would print them.
    expect(server.messages.map((message) => message === stuffed(text))).toEqual([true]);
  }
});

test('an empty message arrives, as a file too', async () => {
  server.forget();
  await engine.run('smtp', mail(''));
  await engine.run('smtp', mail(file('')));
  expect(server.messages).toEqual(['', '']);
});

test('a long message under way holds up no other', async () => {
  const text = `${'x'.repeat(998)}\n`.repeat(3_000);
  server.forget();
  const [long, ...others] = await Promise.all([
    engine.run('smtp', mail(file(text))),
    ...Array.from({ length: 10 }, () => engine.run('smtp', mail('short'))),
  ]);
  expect(long.code).toBe(250);
  expect(new Set(others.map(({ code }) => code))).toEqual(new Set([250]));
  expect(server.messages.map(({ length }) => length).sort((a, b) => b - a)[0]).toBe(stuffed(text).length);
});

test('what cannot be read is told by its path, before the server is', async () => {
  server.now({});
  const pipe = join(dir, 'pipe');
  execFileSync('mkfifo', [pipe]);
  for (const path of [join(dir, 'not-there'), dir, pipe]) {
    const error = await failure(engine.run('smtp', mail({ file: path })));
    expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', retryable: false });
    expect(error.message).toContain(`smtp.raw.file: ${path} cannot be read: `);
  }
  expect(server.heard.filter((line) => line.startsWith('MAIL'))).toEqual([]);
});

test('a server that refuses a long message in its middle is heard', async () => {
  server.now({
    // It takes the lines of the message for commands, and refuses them one by one.
    DATA: (dialogue) => {
      dialogue.say('354 go on');
      return undefined;
    },
  });
  const raw = `${'x'.repeat(998)}\n`.repeat(20_000);
  expect(await engine.run('smtp', mail(raw))).toMatchObject({
    step: 'DATA',
    code: 500,
    enhanced: '5.5.1',
    accepted: [],
  });
});

test('8-bit messages and their size are announced where the server knows how', async () => {
  server.now({ EHLO: `${EHLO.replace('250 8BIT', '250-8BIT')}\r\n250-SMTPUTF8\r\n250 SIZE 1000000` });
  const own = await createEngine({ shards: 1 });
  try {
    await own.run('smtp', mail('grün'));
    await own.run('smtp', mail(Buffer.from('grün', 'latin1')));
    await own.run('smtp', mail('green'));
    await own.run('smtp', { ...mail('green'), envelope: { from: 'jürgen@bücher.example', to: 'b@keylane.test' } });
  } finally {
    await own.close();
  }
  expect(server.heard.filter((line) => line.startsWith('MAIL'))).toEqual([
    'MAIL FROM:<a@keylane.test> SIZE=5 BODY=8BITMIME',
    'MAIL FROM:<a@keylane.test> SIZE=4 BODY=8BITMIME',
    'MAIL FROM:<a@keylane.test> SIZE=5',
    // Bytes of UTF-8, as the fixture shows them.
    `MAIL FROM:<${Buffer.from('jürgen').toString('latin1')}@xn--bcher-kva.example> SIZE=5 SMTPUTF8`,
  ]);
});

test('no descriptor of a file stays open, however its message ends', async () => {
  const text = 'x'.repeat(200_000);
  for (const script of [{}, { MAIL: '550 no' }, { RCPT: '550 no' }, { DATA: '554 no' }, { end: '554 no' }]) {
    server.now(script);
    await engine.run('smtp', mail(file(text)));
  }
  server.now({ DATA: (dialogue) => dialogue.reset() });
  await failure(engine.run('smtp', mail(file(text))));
  // Shards are threads of this process. Closing takes a turn or two.
  const path = join(dir, 'message');
  await until(() => openFiles().every((open) => open !== path));
});

function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}
