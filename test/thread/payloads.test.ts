import { expect, test } from 'vitest';
import { startEngine } from '../support/engine.js';
import { type Random, seeded } from '../support/seed.js';

const CANARY = 'CANARY-OF-ANOTHER-REQUEST';

test('10,000 payloads come back as they went, in buffers of their own, with no byte of a neighbour (W5)', async () => {
  const random = seeded();
  const engine = await startEngine({ shards: 2, limits: { queuedPerKey: 100_000 } });
  const payloads = Array.from({ length: 10_000 }, (_, i) => (i % 2 === 0 ? value(random, 0) : Buffer.from(CANARY)));
  const answers = await Promise.all(
    payloads.map((payload, i) => engine.run('echo', { key: `k${i % 40}`, payload }).then((answer) => answer.payload)),
  );
  answers.forEach((answer, i) => {
    expect(answer).toStrictEqual(payloads[i]);
    for (const bytes of views(answer)) {
      expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
      if (i % 2 === 0) expect(Buffer.from(bytes.buffer).includes(CANARY)).toBe(false);
    }
  });
});

test('20 MB go and come back, in a Buffer, in a string and in many small parts', async () => {
  const random = seeded();
  const engine = await startEngine();
  const block = Buffer.from(Array.from({ length: 65_536 }, () => random.below(256)));
  const buffer = Buffer.concat(Array.from({ length: 320 }, () => block));
  const text = 'päyload ✓ '.repeat(1_600_000);
  const parts = Array.from({ length: 200_000 }, (_, i) => ({ i, text: `part ${i}`, odd: i % 2 === 1, nothing: null }));
  const small = Array.from({ length: 50 }, (_, payload) => engine.run('echo', { key: 'a', payload }));
  const [one, two, three] = await Promise.all(
    [buffer, text, parts].map((payload) => engine.run('echo', { key: 'a', payload })),
  );
  expect(buffer.equals(one?.payload as Buffer)).toBe(true);
  expect(two?.payload === text).toBe(true);
  expect(three?.payload).toEqual(parts);
  expect(await Promise.all(small)).toEqual(small.map((_, payload) => ({ payload })));
});

/** Anything msgpack can carry, a few levels deep. */
function value(random: Random, depth: number): unknown {
  const many = <T>(make: () => T): T[] => Array.from({ length: random.below(5) }, make);
  const bytes = (): Buffer =>
    Buffer.from(Array.from({ length: random.below(random.pick([4, 100, 9_000])) }, () => random.below(256)));
  const text = (): string => bytes().toString(random.pick(['latin1', 'utf8', 'hex']));
  const deep = depth < 3 ? [() => many(() => value(random, depth + 1)), () => object()] : [];
  const object = () => Object.fromEntries(many(() => [`f${random.below(20)}`, value(random, depth + 1)]));
  const make = random.pick<() => unknown>([
    ...deep,
    () => random.below(2 ** 32) - 2 ** 31,
    () => random.next() * 1e300,
    () => random.pick([null, undefined, true, false, '', Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 10n ** 18n]),
    text,
    bytes,
    () => new Uint8Array(bytes()),
    () => new Float64Array(many(() => random.next())),
    () => new Date(random.below(2 ** 31)),
    () => new Map(many(() => [text(), random.below(9)] as const)),
    () => new Set(many(() => random.below(9))),
  ]);
  return make();
}

function* views(of: unknown): Iterable<Uint8Array | Float64Array> {
  if (of instanceof Uint8Array || of instanceof Float64Array) yield of;
  else if (of instanceof Map) for (const item of of.values()) yield* views(item);
  else if (typeof of === 'object' && of !== null) for (const item of Object.values(of)) yield* views(item);
}
