import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { BodyLines } from '../../../src/server/body-lines.js';
import { feed } from '../../../src/server/stream-input.js';
import { settled } from '../../support/fake-clock.js';
import { seeded } from '../../support/seed.js';

function body(): PassThrough & IncomingMessage {
  return new PassThrough({ highWaterMark: 1024 }) as PassThrough & IncomingMessage;
}

async function all(lines: BodyLines): Promise<string[]> {
  const read: string[] = [];
  for await (const { text, number } of lines) read.push(`${number} ${text}`);
  return read;
}

test('lines come with their numbers, empty ones left out, the last one with or without an end', async () => {
  const raw = body();
  const lines = new BodyLines(raw, 100);
  raw.end('one\n\n  \r\nfour\r\nfive');
  expect(await all(lines)).toEqual(['1 one', '4 four\r', '5 five']);
});

test('however the body is cut, its lines are the same', async () => {
  const random = seeded();
  const text = ['{"a":"€𝄞"}', '', 'x'.repeat(300), 'y', '', '', 'é'].join('\n');
  const whole = Buffer.from(text);
  const expected = text.split('\n').flatMap((line, at) => (line === '' ? [] : [`${at + 1} ${line}`]));
  for (let round = 0; round < 50; round++) {
    const raw = body();
    const reading = all(new BodyLines(raw, 1_000));
    for (let at = 0; at < whole.length; ) {
      const length = 1 + random.below(40);
      if (!raw.write(whole.subarray(at, at + length))) await settled();
      at += length;
    }
    raw.end();
    expect(await reading).toEqual(expected);
  }
});

test('a line that is too long is refused by its number before its end has come', async () => {
  const raw = body();
  const lines = new BodyLines(raw, 10);
  raw.write(`ok\n${'x'.repeat(11)}`);
  expect(await lines.next()).toEqual({ done: false, value: { text: 'ok', number: 1 } });
  await expect(lines.next()).rejects.toMatchObject({ code: 'ERR_INPUT', message: 'line 2: longer than 10 bytes' });
});

test('a line that is no UTF-8 is refused: what it says cannot be known', async () => {
  const raw = body();
  raw.end(Buffer.from([0x61, 0x0a, 0xff, 0x0a]));
  const lines = new BodyLines(raw, 10);
  await lines.next();
  await expect(lines.next()).rejects.toMatchObject({ code: 'ERR_INPUT', message: 'line 2: it is not UTF-8' });
});

test('a client that goes before the end of its body is no end of it', async () => {
  const raw = body();
  const lines = new BodyLines(raw, 100);
  raw.write('one\ntw');
  await lines.next();
  const next = lines.next();
  raw.destroy();
  await expect(next).rejects.toMatchObject({ code: 'ERR_CANCELED' });
  await expect(new BodyLines(raw, 100).next()).rejects.toMatchObject({ code: 'ERR_CANCELED' });
});

test('who reads slowly makes the client wait; who stops reading does not', async () => {
  const raw = body();
  const lines = new BodyLines(raw, 1_000_000);
  const line = `${'x'.repeat(999)}\n`;
  let sent = 0;
  while (raw.write(line) || sent < 40) {
    sent++;
    await settled();
  }
  expect(sent).toBeLessThan(100);
  await lines.return();
  for (let more = 0; more < 1_000; more++) if (!raw.write(line)) await settled();
  expect(raw.writableNeedDrain).toBe(false);
  expect(await lines.next()).toEqual({ done: true, value: undefined });
});

/** The engine's side of a stream, which takes all that is written when it is let. */
function peer() {
  const written: Buffer[] = [];
  const waits: (() => void)[] = [];
  return {
    written: () => Buffer.concat(written).toString('latin1'),
    go: () => waits.shift()?.(),
    ended: false,
    canceled: false,
    write(data: string | Buffer) {
      written.push(Buffer.from(data));
      return new Promise<void>((resolve) => waits.push(resolve));
    },
    end() {
      this.ended = true;
    },
    cancel() {
      this.canceled = true;
    },
  };
}

test('input goes on when the peer has taken what came before, and ends with the body', async () => {
  const raw = body();
  const to = peer();
  const waiting: boolean[] = [];
  const fed = feed(to as never, new BodyLines(raw, 1_000), (is) => waiting.push(is));
  raw.end('{"data":"a\\u0000€"}\n{"base64":"/wA="}\n');
  await settled();
  expect(to.written()).toBe(Buffer.from('a\0€').toString('latin1'));
  expect(waiting).toEqual([true]);
  to.go();
  await settled();
  to.go();
  expect(await fed).toBe(undefined);
  expect(to).toMatchObject({ ended: true, canceled: false });
  expect(to.written()).toBe(`${Buffer.from('a\0€').toString('latin1')}\xff\0`);
  expect(waiting).toEqual([true, false, true, false]);
});

test.each([
  ['{"data":1}', '`data` must be a string'],
  ['{"base64":null}', '`base64` must be a string'],
  ['{"data":"a","base64":"YQ=="}', '`data` and `base64` are both there; one of them is enough'],
  ['{"text":"a"}', 'unknown field `text`; input is `{"data":"text"}` or `{"base64":"…"}`'],
  ['{"data":"a","eof":true}', 'unknown field `eof`; input is `{"data":"text"}` or `{"base64":"…"}`'],
  ['{}', 'input is `{"data":"text"}` or `{"base64":"…"}`'],
  ['[]', 'input is `{"data":"text"}` or `{"base64":"…"}`'],
  ['null', 'input is `{"data":"text"}` or `{"base64":"…"}`'],
  ['"secret', 'is not JSON (at character 7)'],
  ['{"base64":"YQ"}', '`base64` is no base64 (RFC 4648, 4), or lacks its `=` at the end'],
  ['{"base64":"YQ==YQ=="}', '`base64` is no base64 (RFC 4648, 4), or lacks its `=` at the end'],
  ['{"base64":"Y Q="}', '`base64` is no base64 (RFC 4648, 4), or lacks its `=` at the end'],
  ['{"base64":"Y€=="}', '`base64` is no base64 (RFC 4648, 4), or lacks its `=` at the end'],
  ['{"data":"\\ud834"}', '`data` holds half a character; send bytes as `{"base64":"…"}`'],
])('the line %s calls the request off, and says which line it is and why', async (line, says) => {
  const raw = body();
  const to = peer();
  const fed = feed(to as never, new BodyLines(raw, 1_000), () => {});
  raw.write(`{"data":"a"}\n\n${line}\n{"data":"b"}\n`);
  await settled();
  to.go();
  expect(await fed).toMatchObject({ code: 'ERR_INPUT', message: `line 3: ${says}` });
  expect(to).toMatchObject({ canceled: true, ended: false });
  expect(to.written()).toBe('a');
});

test('a client that goes calls the request off, and nobody is told of a bad line', async () => {
  const raw = body();
  const to = peer();
  const fed = feed(to as never, new BodyLines(raw, 1_000), () => {});
  raw.destroy();
  expect(await fed).toBe(undefined);
  expect(to).toMatchObject({ canceled: true, ended: false });
});
