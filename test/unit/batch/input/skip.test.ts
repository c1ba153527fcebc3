import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openJobs, reopenJobs } from '../../../../src/batch/input/open.js';
import { all, line, refusal, scratch, written } from './scratch.js';

test('bad lines are put aside as they stand, and the others run with the places that they have without them', async () => {
  const skipBad = join(scratch(), 'bad.ndjson');
  const lines = ['{', line({ id: 'a' }), '', '  {"x":"ü"} ', line({ id: 'a' }), line({ id: 'c' }), line()];
  const path = written('jobs.ndjson', lines.join('\r\n'));
  const source = await openJobs(path, { skipBad });
  expect(readFileSync(skipBad, 'utf8')).toBe(`{\n{"x":"ü"}\n${line({ id: 'a' })}\n`);
  expect(statSync(skipBad).mode & 0o777).toBe(0o600);
  expect(source.total).toBe(3);
  expect(source.identity.skipped).toEqual([1, 4, 5]);
  expect(source.bad.count).toBe(3);
  expect(source.bad.lines.map((text) => text.replace(path, 'jobs'))).toEqual(
    [
      'jobs:1: is not JSON',
      'jobs:4: unknown field `x`; a job has id, driver, idempotent, timeoutMs, attempts, priority, labels, after, traceparent, request',
      'jobs:5: the id `a` is taken by line 2',
    ].map((text, at) => (at === 0 ? expect.stringMatching(/^jobs:1: is not JSON/) : text)),
  );
  const jobs = (await all(source)).map(({ index, id }) => [index, id]);
  expect(jobs).toEqual([
    [0, 'a'],
    [1, 'c'],
    [2, undefined],
  ]);
  const again = await reopenJobs(JSON.parse(JSON.stringify(source.identity)));
  expect((await all(again)).map(({ index, id }) => [index, id])).toEqual(jobs);
});

test('so is a job that waits for one of them, and one that waits for that', async () => {
  const skipBad = join(scratch(), 'bad.ndjson');
  const lines = [
    line({ id: 'far', after: ['near', 'good'] }),
    line({ id: 'near', after: ['bad'] }),
    line({ id: 'good' }),
    line({ id: 'bad', priority: 99 }),
    line({ id: 'x', after: ['y'] }),
    line({ id: 'y', after: ['x', 'good'] }),
    line({ id: 'fine', after: ['good'] }),
  ];
  const source = await openJobs(written('jobs.ndjson', lines.join('\n')), { skipBad });
  expect((await all(source)).map(({ index, id }) => [index, id])).toEqual([
    [0, 'good'],
    [1, 'fine'],
  ]);
  expect(source.named).toEqual(new Map([['good', 0]]));
  expect(source.bad.lines.map((text) => text.replace(/^.*jobs.ndjson/, ''))).toEqual([
    ':1: it is to run after `near`, which is put aside',
    ':2: it is to run after `bad`, which no job says is its id',
    ':4: `priority` must be a whole number from -10 to 10, not 99',
    ':5: it is to run after itself, by way of line 6',
    ':6: it is to run after `x`, which is put aside',
  ]);
  const again = await reopenJobs(source.identity);
  expect([again.total, again.named]).toEqual([2, new Map([['good', 0]])]);
});

test('rows of CSV go aside with the names of the columns, elements of JSON as an array', async () => {
  const csv = join(scratch(), 'bad.csv');
  const rows = await openJobs(written('jobs.csv', 'host,command\na,b\nc\n"d\ne",f,g\nh,i\n'), { skipBad: csv });
  expect(readFileSync(csv, 'utf8')).toBe('host,command\nc\n"d\ne",f,g\n');
  expect([rows.total, rows.identity.skipped]).toEqual([2, [3, 4]]);
  const json = join(scratch(), 'bad.json');
  const array = await openJobs(written('jobs.json', `[{"a":1},${line()},[2]]`), { skipBad: json });
  expect(JSON.parse(readFileSync(json, 'utf8'))).toEqual([{ a: 1 }, [2]]);
  expect([array.total, array.identity.skipped]).toEqual([1, [1, 3]]);
  expect((await all(await reopenJobs(array.identity))).map(({ index }) => index)).toEqual([0]);
});

test('where nothing is bad no file is made', async () => {
  const skipBad = join(scratch(), 'bad.ndjson');
  const source = await openJobs(written('jobs.ndjson', line()), { skipBad });
  expect([source.bad.count, source.identity.skipped, existsSync(skipBad)]).toEqual([0, undefined, false]);
});

test('what cannot be told apart is not skipped: a quote or a bracket that is never closed', async () => {
  const skipBad = join(scratch(), 'bad');
  expect(await refusal(openJobs(written('jobs.csv', 'host,command\na,"b\nc,d\n'), { skipBad }))).toContain(
    'never closed',
  );
  expect(await refusal(openJobs(written('jobs.json', `[${line()},{"a":[}`), { skipBad }))).toContain('is not closed');
});

test('the input itself is never where bad lines are written', async () => {
  const path = written('jobs.ndjson', `{\n${line()}`);
  expect(await refusal(openJobs(path, { skipBad: path }))).toContain('is the input');
  expect(readFileSync(path, 'utf8')).toBe(`{\n${line()}`);
});

test('a file with nothing but bad lines is refused, and so is one with more than 100,000', async () => {
  const skipBad = join(scratch(), 'bad');
  expect(await refusal(openJobs(written('j.ndjson', '{\n{'), { skipBad }))).toMatch(/no job is left$/);
  const many = written('j.ndjson', `${line()}\n${'x\n'.repeat(100_001)}`);
  expect(await refusal(openJobs(many, { skipBad, format: 'ndjson' }))).toMatch(
    /more than 100,000 bad lines are not put aside$/,
  );
});
