import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventParser } from '../../../../src/server/page/sse.js';
import { SEED } from '../../../support/seed.js';

test('events have their type, all their data, and the last id', () => {
  const parser = new EventParser();
  const text = ':\n\nevent: stats\nid: 7\ndata: {"a":1}\n\ndata: one\ndata: two\n\nevent: nothing\n\n';
  expect(parser.push(text)).toEqual([
    { type: 'stats', data: '{"a":1}', id: '7' },
    { type: 'message', data: 'one\ntwo', id: '7' },
  ]);
});

test('an event that was cut off is none', () => {
  const parser = new EventParser();
  expect(parser.push('data: half')).toEqual([]);
  expect(parser.push('\n')).toEqual([]);
  expect(parser.push('\n')).toEqual([{ type: 'message', data: 'half', id: '' }]);
});

test('the events are the same, wherever the pieces were cut and however lines end', () => {
  const line = fc.constantFrom('data: a', 'data:b', 'id: 3', 'event: x', ':', '', '', 'data');
  const property = fc.property(
    fc.array(line, { maxLength: 20 }),
    fc.constantFrom('\n', '\r\n', '\r'),
    fc.array(fc.nat(200)),
    (lines, end, cuts) => {
      // One line more: whether a lone CR was the whole line end is known by what comes after it.
      const text = `${lines.join(end)}${end}${end}:${end}`;
      const at = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((one, other) => one - other);
      const pieces = [0, ...at].map((from, i) => text.slice(from, at[i] ?? text.length));
      const parser = new EventParser();
      const cut = pieces.flatMap((piece) => parser.push(piece));
      expect(cut).toEqual(new EventParser().push(text.replaceAll(end, '\n')));
    },
  );
  fc.assert(property, { seed: SEED });
});
