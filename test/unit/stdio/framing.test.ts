import { constants } from 'node:buffer';
import { expect, test } from 'vitest';
import { type Framing, framed, framerOf } from '../../../workers/drivers/stdio/framing.js';
import { type Random, seeded } from '../../support/seed.js';

const MOST = 4_096;
const FRAMINGS: readonly Framing[] = ['lines', 'content-length'];

/** What a framer makes of pieces. */
function read(framing: Framing, pieces: Iterable<Buffer>, most = MOST) {
  const heard = { messages: [] as string[], noise: '', faults: [] as string[] };
  const framer = framerOf(framing, most, {
    message: (text) => heard.messages.push(text),
    noise: (text) => {
      heard.noise += `${text}\n`;
    },
    fault: (why) => heard.faults.push(why),
  });
  for (const piece of pieces) framer.push(piece);
  framer.end();
  return heard;
}

function* cut(random: Random, bytes: Buffer): Generator<Buffer> {
  for (let from = 0; from < bytes.length; ) {
    const to = from + 1 + random.below(random.pick([1, 3, 50, 5_000]));
    yield Buffer.from(bytes.subarray(from, to));
    from = to;
  }
}

function someTexts(random: Random): string[] {
  return Array.from({ length: random.below(20) }, (_, i) =>
    JSON.stringify({ id: i, text: random.pick(['a', 'ä€😀', '\n\r\0', '']).repeat(random.below(100)) }),
  );
}

test.each(FRAMINGS)('%s: messages come whole and in order, however their bytes are cut', (framing) => {
  const random = seeded();
  for (let round = 0; round < 200; round++) {
    const texts = someTexts(random);
    const bytes = Buffer.from(texts.map((text) => framed(framing, text)).join(''));
    expect(read(framing, cut(random, bytes))).toEqual({ messages: texts, noise: '', faults: [] });
  }
});

test('lines that are no UTF-8 spoil nothing but themselves', () => {
  const random = seeded();
  const bytes = Buffer.concat([
    Buffer.from([0x22, 0xe2, 0x82, 10, 0xf0, 10, 0x80, 0xff, 10, 10]),
    Buffer.from('{"a":"€"}\n'),
    Buffer.from([0xed, 0xa0, 0x80, 10, 0xc3]),
  ]);
  const messages = ['"\ufffd', '\ufffd', '\ufffd\ufffd', '', '{"a":"€"}', '\ufffd\ufffd\ufffd', '\ufffd'];
  expect(read('lines', [bytes]).messages).toEqual(messages);
  for (let round = 0; round < 50; round++) expect(read('lines', cut(random, bytes), 20).messages).toEqual(messages);
});

test('a last line needs no end', () => {
  expect(read('lines', [Buffer.from('{}\n{"a":1}')]).messages).toEqual(['{}', '{"a":1}']);
});

test.each(FRAMINGS)('%s: a message may be as long as the bound, and not longer', (framing) => {
  const random = seeded();
  const whole = `"${'x'.repeat(MOST - 2)}"`;
  expect(read(framing, cut(random, Buffer.from(framed(framing, whole)))).messages).toEqual([whole]);
  const longer = Buffer.from(framed(framing, `${whole} `) + framed(framing, '"after"'));
  const { messages, faults } = read(framing, cut(random, longer));
  expect(messages).toEqual([]);
  expect(faults).toEqual([expect.stringMatching(/^a (line|message) of more than 4096 bytes$/)]);
});

test('a line without an end takes no more memory than the bound', () => {
  const faults: string[] = [];
  const framer = framerOf('lines', MOST, {
    message: () => undefined,
    noise: () => undefined,
    fault: (why) => faults.push(why),
  });
  const before = process.memoryUsage().arrayBuffers;
  // Endless is a hundred thousand times the bound: 410 MB, of which some tens wait for the collector.
  for (let i = 0; i < 100_000; i++) framer.push(Buffer.alloc(MOST, 'x'));
  expect(faults).toHaveLength(1);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200e6);
});

test.each([
  [1, 2],
  [7, 16],
  [65_536, 16],
])('pieces of %d bytes, %d MiB in all, take time in proportion', (size, mib) => {
  const most = mib << 20;
  const text = Buffer.from(`"${'x'.repeat(most - 3)}"\n`);
  function* pieces() {
    for (let from = 0; from < text.length; from += size) yield text.subarray(from, from + size);
  }
  const begun = performance.now();
  expect(read('lines', pieces(), most).messages[0]).toHaveLength(text.length - 1);
  // A framer that looks at all it has, or copies it, with each piece would take hours.
  expect(performance.now() - begun).toBeLessThan(30_000);
});

test('logs between the messages of a language server are noise, with an end of line before the header or without', () => {
  const text = `starting…\n\nİNFO ${framed('content-length', '{"a":1}')}warning: x\r\n${framed('content-length', '{}')}`;
  const random = seeded();
  for (let round = 0; round < 50; round++) {
    const { messages, noise, faults } = read('content-length', cut(random, Buffer.from(text)));
    expect({ messages, faults }).toEqual({ messages: ['{"a":1}', '{}'], faults: [] });
    expect(noise).toBe('starting…\nwarning: x\r\n');
  }
});

test('other headers are read over, in any order and case', () => {
  const head = 'Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length:2\r\nX: y\r\n\r\n{}';
  expect(read('content-length', [Buffer.from(head)]).messages).toEqual(['{}']);
});

test.each(['many', '-1', '1e9', '99999999999999999999', '1x'])('a Content-Length of %s is a fault', (length) => {
  const { messages, faults } = read('content-length', [Buffer.from(`Content-Length: ${length}\r\n\r\n{}`)]);
  expect(messages).toEqual([]);
  expect(faults).toHaveLength(1);
});

test('no message is longer than a text can be, whatever the bound is', () => {
  const head = Buffer.from(`Content-Length: ${2 ** 30 - 1}\r\n\r\n`);
  expect(read('content-length', [head], 2 ** 30).faults).toEqual([
    `a message of more than ${constants.MAX_STRING_LENGTH} bytes`,
  ]);
});

test('a line of nothing but beginnings of headers costs no more than any other', () => {
  const line = `${'Content-Length:'.repeat(4_300)} x y\n`;
  const begun = performance.now();
  for (let i = 0; i < 5; i++) read('content-length', [Buffer.from(line)]);
  // It took 1.3 s each.
  expect(performance.now() - begun).toBeLessThan(3_000);
});
