import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type OpenJobsOptions, openJobs, reopenJobs } from '../../../../src/batch/input/open.js';
import { KeylaneError } from '../../../../src/errors.js';
import { mutated } from '../../../support/mutate.js';
import { type Random, seeded, seedsOf } from '../../../support/seed.js';
import { all, line, scratch } from './scratch.js';

const CASES = process.env.KEYLANE_LONG ? 20_000 : 60;

const NDJSON = [
  line({ id: 'a' }),
  line({ id: 'b', after: ['a'], labels: ['x'], priority: 3 }),
  '{"request":{"host":"web-1","command":"uptime","user":"me","sudo":{"user":"root"}},"timeoutMs":5,"idempotent":true}',
  '{"id":"ü","request":{"account":"x","argv":["a","b"],"env":{"A":"1"}},"attempts":2}',
];
const CSV = [
  'id,host,command,port,labels,after,sudo',
  'a,web-1,"say ""hi"", you",22,x;y,,true',
  '"b\nb",h,"c\r\nd",,,a,',
  ',h,i,,,,',
];

const CORPORA: Record<string, { corpus: string[]; options: OpenJobsOptions; name: string }> = {
  NDJSON: {
    corpus: [NDJSON.join('\n'), `\ufeff${NDJSON.join('\r\n\r\n')}`],
    options: { format: 'ndjson' },
    name: 'f.ndjson',
  },
  JSON: {
    corpus: [`[${NDJSON.join(',')}]`, ` [\n${NDJSON.join('\n,')} \n]`],
    options: { format: 'json' },
    name: 'f.json',
  },
  CSV: { corpus: [CSV.join('\n'), `\ufeff${CSV.join('\r\n')}\n\n`], options: { format: 'csv' }, name: 'f.csv' },
  'rows of a template': {
    corpus: [CSV.join('\n').replace('command', 'what')],
    options: { format: 'csv', template: 'echo {what} # {{' },
    name: 'f.csv',
  },
  'a file of any kind': {
    corpus: [NDJSON.join('\n'), `[${NDJSON.join(',')}]`, CSV.join('\n')],
    options: {},
    name: 'f',
  },
};

test.each(seedsOf('batch-input').flatMap((seed) => Object.keys(CORPORA).map((name) => ({ name, seed }))))(
  'whatever a file holds, it is read or refused with a typed error: $name (seed $seed)',
  async ({ name: kind, seed }) => {
    const random = seeded(seed);
    const { corpus, options, name } = CORPORA[kind] as (typeof CORPORA)[string];
    const dir = scratch();
    for (let left = CASES; left > 0; left--) {
      const bytes = mutated(
        random,
        corpus.map((text) => Buffer.from(text)),
      );
      const path = join(dir, name);
      writeFileSync(path, bytes);
      try {
        await check(path, options, random);
      } catch (error) {
        throw new Error(`${bytes.toString('base64')} made it throw: ${(error as Error).message}`, { cause: error });
      }
    }
  },
  Math.max(60_000, CASES * 20),
);

/** A file that is good is so too where bad ones would be skipped; what is left of a bad one is read again as the same jobs. */
async function check(path: string, options: OpenJobsOptions, random: Random): Promise<void> {
  const strict = await typed(openJobs(path, options));
  const skipBad = join(`${path}.bad`);
  const lenient = await typed(openJobs(path, { ...options, skipBad }));
  if (!lenient) expect(strict).toBeUndefined();
  if (strict) expect(lenient?.bad.count).toBe(0);
  if (!lenient) return;
  const jobs = await all(lenient);
  expect(jobs.map(({ index }) => index)).toEqual(Array.from({ length: lenient.total }, (_, at) => at));
  if (strict) expect(await all(strict)).toEqual(jobs);
  else expect(lenient.bad.count).toBe(lenient.identity.skipped?.length);
  const again = await reopenJobs(JSON.parse(JSON.stringify(lenient.identity)));
  const wanted = new Set(jobs.filter(() => random.below(2) === 0).map(({ index }) => index));
  expect(await all(again, (index) => wanted.has(index))).toEqual(jobs.filter(({ index }) => wanted.has(index)));
  expect(again.named).toEqual(lenient.named);
}

async function typed<T>(opening: Promise<T>): Promise<T | undefined> {
  try {
    return await opening;
  } catch (error) {
    if (error instanceof KeylaneError && error.code === 'ERR_INPUT') return undefined;
    throw error;
  }
}
