import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lines, LONGEST_LINE_BYTES } from '../../../src/cli/lines.ts';

describe('Lines', () => {
  it('gives the same lines however the bytes are cut', () => {
    const text = fc
      .string({ unit: fc.constantFrom('a', 'é', '\n', '\r', '\u{1f600}') })
      .map((string) => Buffer.from(string));
    fc.assert(
      fc.property(text, fc.array(fc.nat(40)), (bytes, cuts) => {
        const lines = new Lines();
        const got: string[] = [];
        let from = 0;
        for (const cut of [...cuts, bytes.length]) {
          got.push(...lines.push(bytes.subarray(from, from + cut)).map(String));
          from += cut;
        }
        const last = lines.flush();
        if (last !== undefined) got.push(String(last));
        const expected = String(bytes).split('\n');
        if (expected.at(-1) === '') expected.pop();
        expect(got).toEqual(expected);
        expect(lines.flush()).toBeUndefined();
      }),
    );
  });

  it('holds back at most 64 KiB of a line without an end, and cuts between characters', () => {
    const lines = new Lines();
    const line = `x${'é'.repeat(100_000)}`;
    const pieces: string[] = [];
    for (let at = 0; at < line.length; at += 1_000)
      pieces.push(...lines.push(Buffer.from(line.slice(at, at + 1_000))).map(String));
    expect(pieces).toHaveLength(3);
    for (const piece of pieces) expect(Buffer.byteLength(piece)).toBeGreaterThan(LONGEST_LINE_BYTES - 4);
    expect(pieces.join('') + String(lines.flush())).toBe(line);
  });

  it('cuts bytes that are no UTF-8, too', () => {
    const lines = new Lines();
    const pieces = lines.push(Buffer.alloc(LONGEST_LINE_BYTES * 2 + 5, 0x80));
    expect(pieces.map(({ length }) => length)).toEqual([LONGEST_LINE_BYTES, LONGEST_LINE_BYTES]);
    expect(lines.flush()).toHaveLength(5);
  });
});
