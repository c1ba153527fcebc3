import { describe, expect, test } from 'vitest';
import { IdTable } from '../../../../src/batch/input/ids.js';
import { openJobs } from '../../../../src/batch/input/open.js';
import { seeded } from '../../../support/seed.js';
import { line, refusal, written } from './scratch.js';

const opened = (lines: readonly object[]) => openJobs(written('jobs.ndjson', lines.map((one) => line(one)).join('\n')));

test('an id table gives each id its place, and tells the place of one that was there', () => {
  const random = seeded();
  const table = new IdTable();
  const model = new Map<string, number>();
  for (let step = 0; step < 50_000; step++) {
    const id = random.pick(['a', 'job-', '', 'ü']) + random.below(30_000);
    const before = model.get(id);
    if (before === undefined) model.set(id, model.size);
    if (table.add(id, -step) !== before) expect.fail(`${id} has not the place ${before}`);
  }
  expect(table.size).toBe(model.size);
  expect([...model].filter(([id, place]) => table.placeOf(id) !== place)).toEqual([]);
  expect(table.placeOf('none')).toBeUndefined();
});

describe('an id that two jobs have is refused', () => {
  test('in its second place, naming the first', async () => {
    const lines = [{ id: 'a' }, { id: 'b' }, {}, { id: 'a' }, { id: 'b' }, { id: 'a' }];
    expect((await refusal(opened(lines))).split('\n')).toEqual([
      'jobs.ndjson:4: the id `a` is taken by line 1',
      'jobs.ndjson:5: the id `b` is taken by line 2',
      'jobs.ndjson:6: the id `a` is taken by line 1',
    ]);
  });

  test('in a file of JSON, where a line may hold many', async () => {
    const message = await refusal(
      openJobs(written('jobs.json', `[${line({ id: 'a' })},${line()},${line({ id: 'a' })}]`)),
    );
    expect(message).toBe('jobs.json:1: the id `a` is taken by job 1');
  });

  test('also where one of them is the place of a job that names none', async () => {
    expect(await refusal(opened([{}, {}, { id: '1' }]))).toBe(
      'jobs.ndjson:3: the id `1` is the place of a job that names no id; let all jobs name one',
    );
    expect(await refusal(opened([{ id: '1' }, {}]))).toBe(
      'jobs.ndjson:2: it names no id, and its place, the id `1`, is taken by line 1',
    );
    // Its own place is a name as good as any.
    expect((await opened([{ id: '0' }, {}, { id: '2' }])).total).toBe(3);
  });
});

describe('`after`', () => {
  test.each<[string, object[], string[]]>([
    ['an id that is nobody’s', [{ id: 'a', after: ['b'] }], ['1: it is to run after `b`, which no job says is its id']],
    [
      'a place, which is no name',
      [{}, { id: 'a' }, { after: ['0'] }],
      ['3: it is to run after `0`, which no job says is its id'],
    ],
    ['itself', [{ id: 'a', after: ['a'] }], ['1: it is to run after itself']],
    [
      'in a circle, which is told once',
      [
        { id: 'x', after: ['a'] },
        { id: 'a', after: ['b'] },
        { id: 'b', after: ['c', 'd'] },
        { id: 'c', after: ['a'] },
        { id: 'd' },
      ],
      ['2: it is to run after itself, by way of lines 3, 4'],
    ],
  ])('%s', async (_, lines, says) => {
    expect((await refusal(opened(lines))).split('\n')).toEqual(says.map((text) => `jobs.ndjson:${text}`));
  });

  test('may come before what it names, and be a long chain or a wide one', async () => {
    const chain = Array.from({ length: 10_000 }, (_, at) => ({ id: `j${at}`, after: [`j${at + 1}`] }));
    const source = await opened([...chain, { id: 'j10000' }]);
    expect(source.named.size).toBe(10_000);
    expect(source.named.get('j10000')).toBe(10_000);
    const wide = Array.from({ length: 1_000 }, (_, at) => ({ id: `w${at}` }));
    expect((await opened([...wide, { after: wide.map(({ id }) => id) }])).named.size).toBe(1_000);
  });

  test('in more than 10,000 jobs is refused', async () => {
    const lines = Array.from({ length: 10_001 }, () => ({ after: ['a'] }));
    expect(await refusal(opened([{ id: 'a' }, ...lines]))).toBe(
      'jobs.ndjson:10002: more than 10,000 jobs have `after`',
    );
  });
});
