import { expect, test } from 'vitest';
import { openJobs, reopenJobs } from '../../../../src/batch/input/open.js';
import type { Job } from '../../../../src/batch-types.js';
import { type Random, seeded, seedsOf } from '../../../support/seed.js';
import { all, written } from './scratch.js';

const FILES = process.env.KEYLANE_LONG ? 2_000 : 20;

/** Jobs as a file may hold them, and how they are to come out. A few are so long that they end in another piece of it. */
function jobs(random: Random): Job[] {
  const count = random.below(random.pick([2, 20, 400])) + 1;
  const explicit = random.below(2) === 0;
  return Array.from({ length: count }, (_, at) => ({
    ...(explicit && random.below(10) > 0 && { id: `${text(random, 8).replace(/\p{Cc}/gu, '_')}#${at}` }),
    driver: 'echo',
    request: {
      key: `k${at}`,
      payload: text(random, random.pick([3, 50, 50, 50, random.below(30) === 0 ? 400_000 : 300])),
    },
    ...(random.below(4) === 0 && { priority: random.below(21) - 10 }),
    ...(random.below(4) === 0 && { labels: ['x', `y${at}`] }),
    ...(random.below(4) === 0 && { idempotent: random.below(2) === 0 }),
  }));
}

const MARKS = [...'"\\,;{}[]:\n\r\t \'aü😀', '""', '\r\n', '{{', '\\"', '\u2028'];

function text(random: Random, most: number): string {
  const length = random.below(most);
  let made = 'a';
  while (made.length < length) made += made.length > 1_000 ? made : random.pick(MARKS);
  return `${made}z`;
}

const space = (random: Random, ...of: string[]) =>
  Array.from({ length: random.below(3) }, () => random.pick(of)).join('');

type Write = (jobs: readonly Job[], random: Random) => string;

const FORMATS: Record<string, Write> = {
  ndjson: (list, random) => {
    const lines = list.map((job) => space(random, ' ', '\t') + JSON.stringify(job) + space(random, ' ', '\r'));
    return lines
      .map(
        (line, at) =>
          `${space(random, '\n', '\r\n', ' \n')}${line}${at === lines.length - 1 ? space(random, '\n') : '\n'}`,
      )
      .join('');
  },
  json: (list, random) => {
    const blank = () => space(random, ' ', '\n', '\r\n', '\t');
    const indent = random.pick([undefined, 2]);
    const items = list.map((job) => `${blank()}${JSON.stringify(job, undefined, indent)}${blank()}`);
    return `${blank()}[${items.join(',')}]${blank()}`;
  },
  csv: (list, random) => {
    const columns = ['id', 'driver', 'key', 'payload', 'priority', 'labels', 'idempotent'];
    const rows = list.map(({ request, labels, ...job }) => {
      const cells: Record<string, unknown> = { ...job, ...(request as object), labels: labels?.join(' ; ') };
      return columns.map((name) => quoted(String(cells[name] ?? ''), random)).join(',');
    });
    return [columns.join(','), ...rows].map((row) => row + random.pick(['\n', '\r\n', '\n\n', '\n \r\n'])).join('');
  },
};

function quoted(cell: string, random: Random): string {
  const must = /["\r\n,]|^\s|\s$/.test(cell);
  return must || random.below(4) === 0
    ? `${random.pick(['', ' '])}"${cell.replaceAll('"', '""')}"${random.pick(['', ' '])}`
    : cell;
}

test.each(seedsOf('batch-input').flatMap((seed) => Object.keys(FORMATS).map((format) => ({ format, seed }))))(
  'what is written is what is read, whichever jobs are wanted: $format (seed $seed)',
  async ({ format, seed }) => {
    const random = seeded(seed);
    for (let left = FILES; left > 0; left--) {
      const list = jobs(random);
      const file = written(`jobs.${format}`, random.pick(['', '\ufeff']) + (FORMATS[format] as Write)(list, random));
      const source = await openJobs(file);
      expect(source.identity.format).toBe(format);
      expect(source.total).toBe(list.length);
      const again = await reopenJobs(source.identity);
      for (const of of [source, again, source]) {
        const share = random.pick([0, 1, 10, 50, 100]);
        const wanted = new Set(list.map((_, index) => index).filter(() => random.below(100) < share));
        const expected = list.map((job, index) => ({ index, ...job })).filter(({ index }) => wanted.has(index));
        const found = await all(of, (index) => wanted.has(index));
        // Looked at by hand first: a difference of a megabyte takes minutes to print.
        if (JSON.stringify(sorted(found)) !== JSON.stringify(sorted(expected))) expect(found).toEqual(expected);
      }
    }
  },
  Math.max(60_000, FILES * 200),
);

function sorted(list: readonly object[]): object[] {
  return list.map((job) => Object.fromEntries(Object.entries(job).sort(([a], [b]) => (a < b ? -1 : 1))));
}
