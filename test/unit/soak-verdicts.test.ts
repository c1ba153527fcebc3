import { expect, test } from 'vitest';
import { type AtRest, type Look, type Soaked, slope, verdictsOf } from '../../load/soak/verdicts.js';

const MIB = 1 << 20;
const HELD = { fds: 20, children: 0, resources: { PipeWrap: 3 } };

const NO_LEAK = 'no lease leaked, of those that were lent (P4)';

/** A run that held, but for what a test changes. */
function soaked({ seconds = 60, rest = () => ({}), last = {}, after = {} }: Changes = {}): Soaked {
  const period = seconds / 8;
  const rests = Array.from({ length: 8 }, (_, i) => {
    const atSeconds = (i + 1) * period;
    const usual = { fds: 35, children: 0, heapBytes: 40 * MIB, rssBytes: 150 * MIB, connections: 0, pending: 0 };
    return { atSeconds, ...usual, ...rest(atSeconds) };
  });
  const usual = {
    submitted: 10,
    outcomes: { ok: 8, unknown: 2 },
    codes: {},
    wrong: [],
    lent: 3,
    latestMs: 0,
    uncaught: [],
  };
  const held = {
    pending: 0,
    fds: 35,
    heapBytes: 0,
    rssBytes: 0,
    connections: 0,
    leaked: 0,
    restarts: 4,
    kills: 4,
    events: {},
  };
  return {
    seconds,
    rests,
    last: { ...usual, ...held, ...last },
    closed: { before: HELD, after: { ...HELD, ...after }, ms: 10 },
  };
}

interface Changes {
  seconds?: number;
  rest?: (atSeconds: number) => Partial<AtRest>;
  last?: Partial<Look>;
  after?: Partial<typeof HELD>;
}

const failures = (changes?: Changes) =>
  verdictsOf(soaked(changes))
    .filter(({ ok }) => !ok)
    .map(({ what }) => what);

test('a run that held has no failure', () => {
  expect(failures()).toEqual([]);
  expect(failures({ seconds: 86_400 })).toEqual([]);
});

test.each<[string, Changes]>([
  ['every request has one outcome', { last: { submitted: 11 } }],
  ['none was without effect', { last: { outcomes: { ok: 3, not_started: 7 } } }],
  ['no answer was wrong', { last: { wrong: ['x'] } }],
  ['nothing was uncaught', { last: { uncaught: ['x'] } }],
  ['all settled by their deadlines', { last: { latestMs: 6_000 } }],
  ['no thread died but those killed', { last: { restarts: 5 } }],
  ['no key was taken for a killer', { last: { codes: { ERR_QUARANTINED: 1 } } }],
  [NO_LEAK, { last: { events: { lease_leaked: 1 } } }],
  [NO_LEAK, { last: { leaked: 1 } }],
  [NO_LEAK, { last: { lent: 0 } }],
  ['no connection outlived its age', { rest: (at) => ({ connections: at > 50 ? 1 : 0 }) }],
  ['no child was left at rest', { rest: (at) => ({ children: at > 50 ? 1 : 0 }) }],
  ['file descriptors stay', { rest: (at) => ({ fds: 35 + at / 8 }) }],
  ['the heap stays', { rest: (at) => ({ heapBytes: 40 * MIB + at * 0.1 * MIB }) }],
  ['resident memory stays', { rest: (at) => ({ rssBytes: (at > 40 ? 190 : 150) * MIB }) }],
  ['nothing is left after close', { after: { resources: { PipeWrap: 3, Timeout: 1 } as never } }],
  ['nothing is left after close', { after: { children: 1 } }],
])('a run fails where not: %s', (what, changes) => {
  expect(failures(changes)).toEqual([what]);
});

test('a day fails by the slope of the heap after two hours, not by what it grew before', () => {
  const grows = (perHour: number) => (at: number) => ({ heapBytes: (40 + (at / 3_600) * perHour) * MIB });
  expect(failures({ seconds: 86_400, rest: grows(1.1) })).toEqual(['the heap stays']);
  expect(failures({ seconds: 86_400, rest: grows(0.9) })).toEqual([]);
});

test('the slope is that of least squares', () => {
  expect(slope([])).toBe(0);
  expect(slope([[1, 5]])).toBe(0);
  expect(slope([0, 1, 2, 3].map((x) => [x, 3 * x + (x % 2)]))).toBeCloseTo(3.2);
});
