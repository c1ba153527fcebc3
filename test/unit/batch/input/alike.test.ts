import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { openJobs } from '../../../../src/batch/input/open.js';
import { all, line, refusal, scratch, written } from './scratch.js';

const weak = vi.hoisted(() => ({ left: 0 }));

// 64 bits of a hash are alike once in many millions of files. Here the first tables take all ids of a letter for the same.
vi.mock('../../../../src/batch/input/ids.js', async (original) => {
  const { IdTable } = await original<typeof import('../../../../src/batch/input/ids.js')>();
  return {
    IdTable: class extends IdTable {
      readonly #weak = weak.left-- > 0;
      override add(id: string, mark: number) {
        return super.add(this.#weak ? id.slice(0, 1) : id, mark);
      }
      override placeOf(id: string) {
        return super.placeOf(this.#weak ? id.slice(0, 1) : id);
      }
    },
  };
});

const opened = (lines: readonly object[], skipBad?: string) =>
  openJobs(written('jobs.ndjson', lines.map((one) => line(one)).join('\n')), skipBad === undefined ? {} : { skipBad });

test.each<[string, object[]]>([
  ['two that are named', [{ id: 'aa' }, { id: 'ab' }, { id: 'b' }]],
  ['three', [{ id: 'aa' }, { id: 'ab' }, { id: 'ac' }]],
  ['a name and a place', [{}, {}, { id: '1x' }]],
  ['one that is waited for and another', [{ id: 'ab' }, { id: 'c' }, { after: ['ab'] }, { id: 'cx', after: ['c'] }]],
])('ids that have the same hash are told apart: %s', async (_, lines) => {
  for (const skipBad of [undefined, join(scratch(), 'bad')]) {
    weak.left = 2;
    const source = await opened(lines, skipBad);
    expect(weak.left).toBeLessThan(0);
    expect(source.bad.count).toBe(0);
    expect((await all(source)).map(({ index: _, request: __, driver: ___, ...rest }) => rest)).toEqual(lines);
  }
});

test('an id that is waited for is not taken for one that has its hash', async () => {
  weak.left = 1;
  expect(await refusal(opened([{ id: 'ab' }, { after: ['ax'] }]))).toContain(
    'to run after `ax`, which no job says is its id',
  );
});
