import { expect, test } from 'vitest';
import { TextPieces } from '../../../src/server/text-pieces.js';
import { seeded } from '../../support/seed.js';

/** What a client reads: the bytes of the pieces, joined, and which of them were text. */
function read(chunks: readonly Buffer[]): { bytes: Buffer; texts: string[]; base64: number } {
  const pieces = new TextPieces();
  const said = [...chunks.map((chunk) => pieces.add(chunk)), pieces.rest()];
  const texts: string[] = [];
  const bytes: Buffer[] = [];
  for (const one of said) {
    if (one === undefined) continue;
    const piece = JSON.parse(`{${one}}`);
    if ('data' in piece) texts.push(piece.data);
    bytes.push('data' in piece ? Buffer.from(piece.data) : Buffer.from(piece.base64, 'base64'));
  }
  return { bytes: Buffer.concat(bytes), texts, base64: said.filter((one) => one?.startsWith('"base64"')).length };
}

test.each(['é', '€', '𝄞', 'a𝄞b', '𝄞𝄞'])('%s stays what it is, wherever it is cut', (text) => {
  const bytes = Buffer.from(text);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { texts, base64 } = read([bytes.subarray(0, cut), bytes.subarray(cut)]);
    expect(texts.join('')).toBe(text);
    expect(base64).toBe(0);
  }
  const single = read([...bytes].map((byte) => Buffer.from([byte])));
  expect(single.texts.join('')).toBe(text);
  expect(single.base64).toBe(0);
});

test('what is no text comes as base64, and so does the half of a character that is the last that comes', () => {
  const half = Buffer.from('𝄞').subarray(0, 3);
  expect(read([Buffer.from('a'), half])).toMatchObject({
    texts: ['a'],
    base64: 1,
    bytes: Buffer.concat([Buffer.from('a'), half]),
  });
  const latin1 = Buffer.from('é', 'latin1');
  expect(read([latin1, Buffer.from('a')])).toMatchObject({ bytes: Buffer.concat([latin1, Buffer.from('a')]) });
  expect(read([Buffer.from([0xff, 0x00])])).toMatchObject({ texts: [], base64: 1 });
});

test('nothing waits that can be told, and nothing comes of nothing', () => {
  const pieces = new TextPieces();
  expect(pieces.add(Buffer.from('a€'))).toBe('"data":"a€"');
  expect(pieces.add(Buffer.alloc(0))).toBe(undefined);
  expect(pieces.rest()).toBe(undefined);
});

test('bytes of whatever kind, cut anywhere, come whole', () => {
  const random = seeded();
  for (let round = 0; round < 300; round++) {
    const parts = Array.from({ length: 1 + random.below(8) }, () =>
      random.next() < 0.5
        ? Buffer.from('añ€𝄞\u0000\uFEFF"\\\u2028'.slice(random.below(6)))
        : Buffer.from(Array.from({ length: random.below(7) }, () => random.below(256))),
    );
    const bytes = Buffer.concat(parts);
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + random.below(5);
      chunks.push(bytes.subarray(at, at + length));
      at += length;
    }
    expect(read(chunks).bytes.equals(bytes)).toBe(true);
  }
});
