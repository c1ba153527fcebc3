import { describe, expect, test } from 'vitest';
import {
  BATCH_OPTIONS,
  checkCallOptions,
  checkJob,
  checkLabels,
  JOBS_OPTIONS,
  PREWARM_OPTIONS,
  RUN_OPTIONS,
  STREAM_OPTIONS,
} from '../../src/call-options.ts';
import { KeylaneError } from '../../src/errors.ts';

const KINDS = {
  run: RUN_OPTIONS,
  stream: STREAM_OPTIONS,
  batch: BATCH_OPTIONS,
  jobs: JOBS_OPTIONS,
  prewarm: PREWARM_OPTIONS,
};
const EVERY = new Set(Object.values(KINDS).flatMap((known) => [...known]));

/** What is right and what is wrong for each option. */
const VALUES: Record<string, { right: unknown[]; wrong: unknown[] }> = {
  timeoutMs: {
    right: [0, 0.5, 60_000, 30 * 86_400_000],
    wrong: [-1, 30 * 86_400_000 + 1, Number.NaN, Infinity, '1', null],
  },
  timeoutFloorMs: { right: [1, 60_000], wrong: [0, -1, 30 * 86_400_000 + 1, Number.NaN, 'auto', null] },
  timeoutCeilingMs: {
    right: [5_000, 30 * 86_400_000],
    wrong: [0, -1, 30 * 86_400_000 + 1, Number.NaN, 'auto', null],
  },
  signal: {
    right: [new AbortController().signal, AbortSignal.abort()],
    wrong: [{}, null, new AbortController(), 'stop'],
  },
  idempotent: { right: [true, false], wrong: [1, 'yes', null] },
  attempts: { right: [1, 100], wrong: [0, 101, 1.5, '3', Number.NaN, null] },
  priority: { right: [-10, 0, 10], wrong: [-11, 11, 0.5, '0', Number.NaN, null] },
  labels: {
    right: [[], ['db'], ['db', 'db', 'x'.repeat(256)], new Array(32).fill('l')],
    wrong: ['db', null, {}, [''], [1], ['x'.repeat(257)], new Array(33).fill('l'), new Set(['db'])],
  },
  concurrency: { right: [1, 1_000_000, 'auto'], wrong: [0, 'many', 1_000_001, 1.5, Infinity, null] },
  concurrencyPerKey: { right: [1, 1_000_000, 'auto'], wrong: [0, 'many', 1_000_001, 1.5, null] },
  onChunk: { right: [() => {}], wrong: [{}, 'log', null] },
  onStart: { right: [() => {}], wrong: [{}, 'log', null] },
  cache: { right: [true, false, {}, { ttlMs: 1 }], wrong: ['5m', 1, null, [true]] },
  invalidates: { right: [[], ['vms', 'vm_list:*', 'key:a']], wrong: ['vms', null, [''], [1]] },
  traceparent: {
    right: [
      '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      '00-00000000000000000000000000000001-0000000000000001-00',
    ],
    wrong: [
      ...[
        '',
        '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        '01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-0',
        '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g',
        '00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01',
        ' 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n',
      ],
      ...[
        '00-00000000000000000000000000000000-b7ad6b7169203331-01',
        '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
        7,
        null,
      ],
    ],
  },
  each: { right: [() => ({})], wrong: [{}, 'id', null] },
  rate: { right: [0.001, 10, 1_000_000], wrong: [0, -1, 1_000_001, Number.NaN, Infinity, '10', null] },
  maxFailures: {
    right: [1, 1_000, '5%', '0.01%', '100%', '2.5%'],
    wrong: [0, -1, 1.5, '5', '%', '0%', '101%', '-5%', 'all', null],
  },
  canary: { right: [1, 1_000_000], wrong: [0, 1.5, 1_000_001, '3', null] },
  waves: {
    right: [['a'], ['a', 'b'], new Array(200).fill('w')],
    wrong: [[], 'a', [1], [''], new Array(201).fill('w'), null],
  },
  window: {
    right: ['22:00-06:00', '00:00-23:59', '09:30-09:31'],
    wrong: ['22-6', '24:00-06:00', '22:60-06:00', '9:00-10:00', '09:00-09:00', '09:00 - 10:00', 'night', 9, null],
  },
  journal: { right: [true, false], wrong: [1, 'yes', {}, null] },
  id: {
    right: ['a', '20261121-1', 'A.b_c-d', 'x'.repeat(64)],
    wrong: ['', '.a', '-a', 'a/b', 'a b', 'x'.repeat(65), 1, null],
  },
  resume: { right: [true, false], wrong: [1, 'yes', null] },
  settings: { right: [{}, 'any', 1, null], wrong: [] },
  maxOutputTotal: { right: [0, 2 ** 40], wrong: [-1, 0.5, '1G', null] },
  driver: { right: ['ssh'], wrong: [1, {}, null] },
  perKey: { right: [1, 10_000], wrong: [0, 10_001, 1.5, null] },
};

/** What an option goes with, where it stands not alone. */
function beside(name: string): object {
  if (['id', 'resume', 'settings', 'maxOutputTotal'].includes(name)) return { journal: true, id: 'b' };
  return name === 'timeoutFloorMs' || name === 'timeoutCeilingMs' ? { timeoutMs: 'auto' } : {};
}

function refusal(options: object, known: ReadonlySet<string>): KeylaneError | undefined {
  try {
    checkCallOptions(options, known);
    return undefined;
  } catch (error) {
    return error as KeylaneError;
  }
}

test('the table here has every option there is', () => {
  expect(Object.keys(VALUES).sort()).toEqual([...EVERY].sort());
});

describe.each(Object.entries(KINDS))('%s', (_, known) => {
  test('takes every value that is right', () => {
    for (const name of known) {
      for (const value of VALUES[name]!.right) {
        expect(refusal({ ...beside(name), [name]: value }, known), `${name}`).toBeUndefined();
      }
    }
  });

  test('refuses every value that is wrong, and names the option and what it takes', () => {
    for (const name of known) {
      for (const value of VALUES[name]!.wrong) {
        const error = refusal({ ...beside(name), [name]: value }, known);
        expect(error, `${name}: ${value}`).toBeInstanceOf(KeylaneError);
        expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', retryable: false });
        expect(error!.message).toMatch(new RegExp(`^\`${name}\` must be .+, not `));
      }
    }
  });

  test('refuses the options of other calls, and says which ones it takes', () => {
    for (const name of [...EVERY].filter((other) => !known.has(other))) {
      const error = refusal({ [name]: VALUES[name]!.right[0] }, known);
      expect(error).toMatchObject({ code: 'ERR_INPUT' });
      expect(error!.message).toContain(`\`${name}\``);
      for (const own of known) expect(error!.message).toContain(own);
    }
  });

  test('takes no options, and options that are undefined', () => {
    expect(refusal({}, known)).toBeUndefined();
    expect(refusal(Object.fromEntries([...known].map((name) => [name, undefined])), known)).toBeUndefined();
  });
});

test('a time-out may be learned in run and batch, and its bounds go with that and do not contradict', () => {
  for (const [name, known] of Object.entries(KINDS)) {
    const learns = name === 'run' || name === 'batch' || name === 'jobs';
    expect(refusal({ timeoutMs: 'auto' }, known) === undefined, name).toBe(learns);
  }
  const both = { timeoutMs: 'auto', timeoutFloorMs: 100, timeoutCeilingMs: 100 };
  expect(refusal(both, RUN_OPTIONS)).toBeUndefined();
  for (const [options, says] of [
    [{ timeoutFloorMs: 100 }, "`timeoutFloorMs` goes with `timeoutMs: 'auto'`"],
    [{ timeoutMs: 500, timeoutCeilingMs: 100 }, "`timeoutCeilingMs` goes with `timeoutMs: 'auto'`"],
    [{ ...both, timeoutFloorMs: 101 }, '`timeoutFloorMs` must be at most `timeoutCeilingMs` (100), not 101'],
    [{ timeoutMs: 'auto', timeoutFloorMs: 60_001 }, '`timeoutFloorMs` must be at most `timeoutCeilingMs` (60000)'],
  ] as const) {
    expect(refusal(options, RUN_OPTIONS)?.message).toContain(says);
  }
});

test('the labels of a batch may be a function, those of other calls may not', () => {
  for (const [name, known] of Object.entries(KINDS)) {
    const error = refusal({ labels: () => ['db'] }, known);
    if (name === 'batch' || name === 'jobs') expect(error).toBeUndefined();
    else expect(error).toMatchObject({ code: 'ERR_INPUT' });
  }
});

test('what a function gives for labels is checked as labels are', () => {
  expect(checkLabels(undefined)).toBeUndefined();
  expect(checkLabels(['db'])).toEqual(['db']);
  for (const wrong of VALUES.labels!.wrong) expect(() => checkLabels(wrong)).toThrow('`labels` must give an array');
});

test('a name that every object has is an unknown option like any other', () => {
  for (const name of ['toString', 'constructor', 'timeout', 'timeoutMS']) {
    expect(refusal({ [name]: 1 }, RUN_OPTIONS)).toMatchObject({ code: 'ERR_INPUT' });
  }
});

test('a value that has no text is refused as any other', () => {
  for (const value of [Object.create(null), Symbol('s')]) {
    expect(refusal({ timeoutMs: value }, RUN_OPTIONS)).toMatchObject({ code: 'ERR_INPUT' });
  }
});

describe('options of a journal', () => {
  const code = (options: object) => refusal(options, BATCH_OPTIONS);

  test('none of them goes without a journal', () => {
    for (const options of [{ id: 'b' }, { resume: true, id: 'b' }, { settings: {} }, { maxOutputTotal: 1 }]) {
      expect(code({ ...options, journal: false })?.message).toContain('goes with `journal: true`');
      expect(code(options)?.code).toBe('ERR_INPUT');
    }
  });

  test('who goes on with a batch says with which', () => {
    expect(code({ journal: true, resume: true })?.message).toContain('`resume` goes with the `id`');
  });
});

describe('what a job says for itself', () => {
  const message = (job: unknown, isWhole: boolean) => {
    try {
      checkJob(job, isWhole);
      return undefined;
    } catch (error) {
      return (error as KeylaneError).message;
    }
  };

  test('each of its fields is checked, and one that is not known is refused', () => {
    const own = { id: 'a', idempotent: true, timeoutMs: 'auto', attempts: 2, priority: 1, labels: ['l'], after: ['b'] };
    expect(message(own, false)).toBeUndefined();
    expect(message(undefined, false)).toBeUndefined();
    expect(message({ ...own, driver: 'ssh', request: {} }, true)).toBeUndefined();
    const wrongs = { id: '', idempotent: 1, timeoutMs: -1, attempts: 0, priority: 11, labels: 'l', after: ['b', 1] };
    for (const [name, value] of Object.entries(wrongs)) {
      expect(message({ ...own, [name]: value }, false)).toContain(`\`${name}\` must be`);
    }
    expect(message({ id: 'x'.repeat(257) }, false)).toContain('256');
    expect(message({ concurrency: 1 }, false)).toContain('unknown option');
    expect(message({ request: {} }, false)).toContain('unknown option');
    expect(message('a', false)).toContain('`each` must give an object, not a');
    expect(message(null, true)).toContain('a job must be an object');
  });
});
