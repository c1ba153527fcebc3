import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encode, FRAME_BYTES } from '../../src/wire/codec.ts';
import { FrameReader } from '../../src/wire/frame-reader.ts';
import { LaneBook } from '../../src/wire/lane-book.ts';
import type { Command, Reply, ResponseReply, RunCommand } from '../../src/wire/protocol.ts';
import { SEED } from '../support/seed.ts';

function run(id: number, request: unknown): RunCommand {
  const deadline = Number.POSITIVE_INFINITY;
  return {
    kind: 'run',
    slot: id,
    id,
    mode: 'once',
    driver: 'd',
    key: 'k',
    lane: 'k',
    target: null,
    request,
    deadline,
    priority: 0,
  };
}

function response(id: number, value: unknown): ResponseReply {
  return { kind: 'response', slot: id, id, queuedUs: 1, openUs: 2, runUs: 3, reused: true, response: value };
}

const never = (_: unknown, why: Error) => {
  throw why;
};

/** What arrives of these messages, in order: id and payload, or the message. */
function crossed(messages: readonly (Command | Reply)[], refused: (m: Command | Reply, why: Error) => void = never) {
  const frames = encode<Command | Reply>(messages, refused);
  const seen: unknown[][] = [];
  const reader = new FrameReader<Command | Reply>();
  for (const frame of frames) {
    reader.read(frame, {
      run: ({ id, request }) => seen.push([id, request]),
      response: (_, id, _queued, _open, _run, _reused, value) => seen.push([id, value]),
      other: (message) => seen.push([message]),
    });
  }
  return { frames, seen };
}

const ignored = {
  response: () => {},
  other: () => {},
};

const CACHE: RunCommand['cache'] = {
  digest: 'd',
  name: 'n',
  tags: ['t'],
  ttlMs: 1,
  staleMs: 2,
  negativeMs: 3,
  fresh: false,
  etag: undefined,
  old: undefined,
};

const bytes = fc.uint8Array({ maxLength: 40 });
const leaf = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  // msgpack has no −0 among its integers: it arrives as 0.
  fc.double().map((number) => (number === 0 ? 0 : number)),
  fc.integer(),
  fc.boolean(),
  fc.constantFrom(null, undefined),
  bytes.map((data) => Buffer.from(data)),
  fc.oneof(fc.int8Array(), fc.int16Array(), fc.uint16Array(), fc.int32Array(), fc.uint32Array()),
  fc.oneof(fc.uint8ClampedArray(), fc.float32Array(), fc.float64Array()),
  fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('2100-01-01') }),
);
const { tree: payload } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), tie('tree'), { maxKeys: 4 }).map((object) => ({ ...object })),
    fc.array(fc.tuple(fc.string(), tie('tree')), { maxLength: 3 }).map((entries) => new Map(entries)),
  ),
}));

function buffersOf(value: unknown): Buffer[] {
  if (Buffer.isBuffer(value)) return [value];
  if (ArrayBuffer.isView(value) || typeof value !== 'object' || value === null) return [];
  return [...(value instanceof Map ? value.values() : Object.values(value))].flatMap(buffersOf);
}

describe('what crosses', () => {
  test('runs of a frame that have a target in common arrive each with its own lane, target and request', () => {
    const lanes = Array.from({ length: 4 }, (_, i) => ({
      lane: `${'long '.repeat(20)}${i}`,
      target: { host: `h${i}` },
    }));
    const short = { lane: 'short', target: { host: 'short' } };
    const pick = fc.constantFrom(...lanes, short, { ...lanes[0]!, lane: `${lanes[0]!.lane} another` });
    const size = fc.constantFrom(1, 1, 1, FRAME_BYTES / 3, FRAME_BYTES + 1);
    const cache = fc.constantFrom(undefined, CACHE);
    const property = fc.property(fc.array(fc.tuple(pick, size, cache), { minLength: 1, maxLength: 20 }), (picked) => {
      const runs = picked.map(([to, size, cache], i) => ({ ...run(i, 'x'.repeat(size)), ...to, key: to.lane, cache }));
      const seen: RunCommand[] = [];
      const reader = new FrameReader<Command>();
      for (const frame of encode<Command>(runs, never))
        reader.read(frame, { ...ignored, run: ({ told: _, ...one }) => seen.push(one) });
      expect(seen).toEqual(runs);
    });
    fc.assert(property, { numRuns: 200, seed: SEED });
  });

  test('a target that many runs of a frame have in common is told once', () => {
    const target = { args: 'y'.repeat(1_000) };
    const runs = Array.from({ length: 100 }, (_, i) => ({ ...run(i, null), lane: JSON.stringify(target), target }));
    const bytes = encode<Command>(runs, never).reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(bytes).toBeLessThan(100 * 50 + 2_200);
  });

  test('a lane is told once for all frames, again where what told it was lost, and its number may become another lane’s', () => {
    const lanes = new LaneBook();
    const reader = new FrameReader<Command>();
    const seen: RunCommand[] = [];
    const say = (runs: RunCommand[], refused: (m: Command, why: Error) => void = never) => {
      let bytes = 0;
      for (const frame of encode<Command>(runs, refused, lanes)) {
        bytes += frame.byteLength;
        reader.read(frame, { ...ignored, run: ({ told: _, ...one }) => seen.push(one) });
      }
      expect(seen.splice(0)).toEqual(runs.filter(({ request }) => typeof request !== 'symbol'));
      return bytes;
    };
    const to = (i: number) => ({
      ...run(i, i),
      lane: `lane ${i}`,
      target: { host: `host ${i}`, more: 'y'.repeat(500) },
    });
    expect(say([to(1), to(2)])).toBeGreaterThan(1_000);
    expect(say([to(1), to(2)])).toBeLessThan(100);
    // A driver or a key of its own, by the same name.
    say([{ ...to(1), driver: 'another' }, { ...to(1), key: 'another' }, to(1)]);
    say([to(3), { ...to(4), request: Symbol('cannot cross') }, to(5)], () => {});
    expect(say([to(4), to(5)])).toBeGreaterThan(500);
    // More than are kept, and one too large to be.
    const all = Array.from({ length: 3_000 }, (_, i) => to(i));
    for (let i = 0; i < 3; i++) say(all);
    const large = { ...to(1), lane: 'large', target: 'z'.repeat(10_000) };
    say([large, to(1), large]);
    expect(say([large])).toBeGreaterThan(10_000);
  });

  test('numbers of any size arrive as they left', () => {
    const word = fc.constantFrom(0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 45);
    const id = fc.constantFrom(1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1);
    const deadline = fc.oneof(
      word.map((ms) => ms + 1),
      fc.constant(Number.POSITIVE_INFINITY),
    );
    const how = fc.record({ id, deadline, priority: fc.integer({ min: -10, max: 10 }), key: fc.string() });
    const times = fc.record({ id, queuedUs: word, openUs: word, runUs: word, reused: fc.boolean() });
    const property = fc.property(fc.array(how), fc.array(times), (runs, responses) => {
      const sent = [
        ...runs.map((how) => ({ ...run(1, 'a'), ...how, cache: undefined })),
        ...responses.map((times) => ({ ...response(1, 'b'), ...times })),
      ];
      const seen: unknown[] = [];
      const reader = new FrameReader<Command | Reply>();
      for (const frame of encode<Command | Reply>(sent, never))
        reader.read(frame, {
          run: ({ told: _, ...one }) => seen.push(one),
          response: (slot, id, queuedUs, openUs, runUs, reused, value) =>
            seen.push({ kind: 'response', slot, id, queuedUs, openUs, runUs, reused, response: value }),
          other: never as never,
        });
      expect(seen).toEqual(sent);
    });
    fc.assert(property, { numRuns: 200, seed: SEED });
  });

  test("2,000 payloads of any kind arrive as they left, with nobody else's bytes about them", () => {
    const property = fc.property(fc.array(payload, { minLength: 1, maxLength: 3 }), (payloads) => {
      for (const make of [run, response]) {
        const { frames, seen } = crossed(payloads.map((value, i) => make(i, value)));
        expect(seen).toStrictEqual(payloads.map((value, i) => [i, value]));
        for (const frame of frames) expect(frame.buffer.byteLength).toBe(frame.byteLength);
        for (const buffer of buffersOf(seen)) expect(buffer.buffer.byteLength).toBe(buffer.byteLength);
      }
    });
    fc.assert(property, { seed: SEED, numRuns: 2_000 });
  });

  test("a decoded Buffer does not hold a neighbour's bytes", () => {
    const { seen } = crossed([
      response(1, 'CANARY-CANARY'),
      response(2, Buffer.from('mine')),
      response(3, 'CANARY-CANARY'),
    ]);
    const mine = seen[1]![1] as Buffer;
    expect(mine.toString()).toBe('mine');
    expect(Buffer.from(mine.buffer).includes('CANARY')).toBe(false);
  });

  test('300 shapes of objects cross in one frame', () => {
    const shapes = Array.from({ length: 300 }, (_, i) => ({ [`field${i}`]: i, same: [i] }));
    const { frames, seen } = crossed(shapes.map((shape, i) => run(i, shape)));
    expect(frames).toHaveLength(1);
    expect(seen).toEqual(shapes.map((shape, i) => [i, shape]));
  });
});

describe('a frame', () => {
  test('is cut near 256 KiB, in order', () => {
    const data = Buffer.alloc(50_000, 1);
    const { frames, seen } = crossed(Array.from({ length: 20 }, (_, i) => response(i, data)));
    expect(frames.length).toBe(4);
    for (const frame of frames) expect(frame.byteLength).toBeLessThan(FRAME_BYTES + 4_096);
    expect(seen.map(([id]) => id)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  test.each([
    ['request', run],
    ['response', response],
  ])('a %s of 1 MiB crosses in parts, between other messages', (_, make) => {
    const large = [1, 2].map((fill) => Buffer.alloc(1 << 20, fill));
    const cancel: Command = { kind: 'cancel', slot: 1, id: 1 };
    const { frames, seen } = crossed([make(1, 'a'), make(2, large[0]), cancel, make(3, large[1]), make(4, 'b')]);
    expect(frames.length).toBeGreaterThan(8);
    for (const frame of frames) expect(frame.byteLength).toBeLessThan(FRAME_BYTES + 4_096);
    expect(seen.map(([first]) => first)).toEqual([1, 2, cancel, 3, 4]);
    expect(large[0]!.equals(seen[1]![1] as Buffer) && large[1]!.equals(seen[3]![1] as Buffer)).toBe(true);
  });
});

test('what cannot be encoded is refused alone, and its neighbours go in order', () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const throwing = {
    get bad() {
      throw new Error('getter');
    },
  };
  for (const bad of [Symbol('s'), { deep: [Symbol('s')] }, throwing]) {
    const refused: number[] = [];
    const { seen } = crossed([run(1, 'a'), run(2, bad), run(3, 'c')], (m) => refused.push((m as RunCommand).id));
    expect(refused).toEqual([2]);
    expect(seen).toEqual([
      [1, 'a'],
      [3, 'c'],
    ]);
  }
  const refused: number[] = [];
  const { seen } = crossed([run(1, 'a'), run(2, cycle), run(3, 'c')], (m) => refused.push((m as RunCommand).id));
  expect([refused, seen.map(([id]) => id)]).toEqual([[2], [1, 3]]);
});

test('a response deeper than its reader goes is refused alone, and one that is as deep as that arrives', () => {
  const deep = (levels: number) => {
    let value: unknown = 'end';
    for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { value };
    return value;
  };
  const refused: string[] = [];
  const responses = [deep(512), deep(513), deep(20_000), 'flat'].map((value, i) => response(i, value));
  const { seen } = crossed(responses, (_, { message }) => refused.push(message));
  expect(seen.map(([id]) => id)).toEqual([0, 3]);
  expect(seen[0]?.[1]).toEqual(deep(512));
  expect(refused).toEqual(Array(2).fill('it has more than 512 lists or objects within each other'));
});
