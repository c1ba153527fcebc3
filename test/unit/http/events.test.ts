import { expect, test } from 'vitest';
import { EventReader, type ServerEvent } from '../../../workers/drivers/http/events.js';
import { seeded } from '../../support/seed.js';

function read(...pieces: (string | Buffer)[]): ServerEvent[] {
  const reader = new EventReader();
  return pieces.flatMap((piece) => [...reader.read(Buffer.from(piece as string))]);
}
const message = (data: string, id = '') => ({ event: 'message', data, id });

test.each<{ says: string; text: string; events: ServerEvent[] }>([
  { says: 'an event ends with an empty line', text: 'data: a\n\ndata: b\n\n', events: [message('a'), message('b')] },
  { says: 'one that does not end is none', text: 'data: a\n\ndata: b\n', events: [message('a')] },
  { says: 'lines of data are joined', text: 'data: a\ndata\ndata:b\n\n', events: [message('a\n\nb')] },
  { says: 'one blank after the colon is left out, and no more', text: 'data:  a \n\n', events: [message(' a ')] },
  {
    says: 'an event has a name, for itself',
    text: 'event: x\ndata: a\n\ndata: b\n\n',
    events: [{ event: 'x', data: 'a', id: '' }, message('b')],
  },
  {
    says: 'an id stays',
    text: 'id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n',
    events: [message('a', '7'), message('b', '7'), message('c')],
  },
  { says: 'an id with a zero byte is none', text: 'id: 7\nid: 8\0\ndata: a\n\n', events: [message('a', '7')] },
  {
    says: 'comments and unknown fields are nothing',
    text: ': hi\nretry: 10\nfoo: bar\nDATA: x\ndata: a\n:\n\n',
    events: [message('a')],
  },
  { says: 'without data there is no event', text: 'event: x\nid: 3\n\ndata: a\n\n', events: [message('a', '3')] },
  {
    says: 'lines end in CR, LF or both',
    text: 'data: a\r\rdata: b\r\n\r\ndata: c\n\ndata: d\r\n\ndata: e\n\r\n',
    events: ['a', 'b', 'c', 'd', 'e'].map((data) => message(data)),
  },
  {
    says: 'a byte order mark at the very beginning is left out',
    text: '\uFEFFdata: a\n\n\uFEFFdata: b\n\n',
    events: [message('a')],
  },
  { says: 'a colon may be in the data', text: 'data: {"a":"b: c"}\n\n', events: [message('{"a":"b: c"}')] },
  { says: 'any characters may', text: 'data: grüß 😀\u2028\n\n', events: [message('grüß 😀\u2028')] },
])('$says', ({ text, events }) => {
  expect(read(text)).toEqual(events);
  // However it is cut.
  const bytes = Buffer.from(text);
  for (let at = 0; at <= bytes.length; at++) expect(read(bytes.subarray(0, at), bytes.subarray(at))).toEqual(events);
  expect(read(...Array.from(bytes, (_, i) => bytes.subarray(i, i + 1)))).toEqual(events);
});

test('random streams read the same however they are cut', () => {
  const random = seeded();
  const words = [
    'data',
    'event',
    'id',
    'retry',
    ':',
    ': ',
    '\r',
    '\n',
    '\r\n',
    '\n\n',
    'ü',
    '😀',
    ' ',
    'x',
    '\0',
    '\uFEFF',
  ];
  for (let round = 0; round < 500; round++) {
    const bytes = Buffer.from(Array.from({ length: random.below(60) }, () => random.pick(words)).join(''));
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const next = Math.min(bytes.length, at + 1 + random.below(8));
      pieces.push(bytes.subarray(at, next));
      at = next;
    }
    expect(read(...pieces), JSON.stringify(bytes.toString())).toEqual(read(bytes));
  }
});

test('bytes that are no UTF-8 do not stop it', () => {
  expect(read(Buffer.from([...Buffer.from('data: '), 0xff, 0xc3, ...Buffer.from('\n\ndata: b\n\n')]))).toEqual([
    message('\uFFFD\uFFFD'),
    message('b'),
  ]);
});

test('an event has a bound, and so has a line that does not end, and comments', () => {
  const much = 'x'.repeat(70_000);
  const often = (line: string) => () => {
    const reader = new EventReader();
    for (let i = 0; i < 20; i++) for (const _ of reader.read(Buffer.from(line)));
  };
  expect(often(`data: ${much}\n`)).toThrow(RangeError);
  expect(often(much)).toThrow(RangeError);
  expect(often(`: ${much}\n`)).toThrow(RangeError);
  expect(often(`data: ${much}\n\n`)).not.toThrow();
});

test('a large event that comes byte by byte is read in time', () => {
  const data = 'y'.repeat(1_000_000);
  const reader = new EventReader();
  const found: ServerEvent[] = [];
  const bytes = Buffer.from(`data: ${data}\n\n`);
  for (let i = 0; i < bytes.length; i++) found.push(...reader.read(bytes.subarray(i, i + 1)));
  expect(found).toEqual([message(data)]);
});

test('an id, which goes with each event that follows, is short', () => {
  const id = 'x'.repeat(1_024);
  expect(read(Buffer.from(`id: ${id}\ndata\n\n`))).toEqual([{ event: 'message', data: '', id }]);
  expect(() => read(Buffer.from(`id: ${id}x\n`))).toThrow(RangeError);
});
