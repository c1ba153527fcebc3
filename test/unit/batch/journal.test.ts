import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Batches, openBatches, type ResultsOptions } from '../../../src/batch/batches.ts';
import { openJobs } from '../../../src/batch/input/open.ts';
import { type JournalStore, openBatchStore } from '../../../src/batch/journal/journal.ts';
import type { InputIdentity } from '../../../src/batch-types.ts';
import { KeylaneError } from '../../../src/errors.ts';
import type { Outcome } from '../../../src/types.ts';
import type { Owner } from '../../../src/util/owner.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { journalIn, resultOf } from '../../support/journal.ts';
import { temporaryDataDir } from '../../support/journal-process.ts';
import { seeded } from '../../support/seed.ts';

const OUTCOMES: Outcome[] = ['ok', 'failed', 'not_started', 'unknown', 'canceled'];

async function refusal(promise: Promise<unknown>): Promise<KeylaneError> {
  const error = await promise.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(KeylaneError);
  return error as KeylaneError;
}

async function linesOf(batches: Batches, id = 'b1', options?: ResultsOptions) {
  const lines: (Record<string, unknown> & { index: number })[] = [];
  for await (const { line } of batches.results(id, options)) lines.push(JSON.parse(line));
  return lines;
}

/** A store that does `after` when a transaction is on the disk, and has not told so. */
async function watchedStore(dir: string, after: () => Promise<void>): Promise<JournalStore> {
  const store = await openBatchStore(dir);
  return {
    get: (key) => store.get(key),
    put: (key, value) => store.put(key, value),
    remove: (key) => store.remove(key),
    range: (range) => store.range(range),
    close: () => store.close(),
    transaction: async (work) => {
      const result = await store.transaction(work);
      await after();
      return result;
    },
  };
}

describe('a journal', () => {
  test('forgets what has begun and is withdrawn, its digest too', async () => {
    const dataDir = temporaryDataDir();
    const journal = await journalIn(dataDir);
    await Promise.all([0, 1, 2].map((index) => journal.begin(index, `digest-${index}`)));
    journal.withdraw(1);
    journal.withdraw(2);
    expect([0, 1, 2].map((index) => journal.known(index))).toEqual(['begun', 'new', 'new']);
    await journal.close('interrupted');
    expect(await openBatches({ dataDir }).show('b1')).toMatchObject({ begun: 1, settled: 0 });
    const again = await journalIn(dataDir, { resume: true });
    expect([0, 1, 2].map((index) => again.known(index))).toEqual(['begun', 'new', 'new']);
    again.check(1, 'another1');
    expect(() => again.check(0, 'another0')).toThrow('the request at index 0 is not the one');
    await again.begin(1, 'another1');
    await again.settle(resultOf(1));
    await again.close('interrupted');
    const last = await journalIn(dataDir, { resume: true });
    expect([0, 1, 2].map((index) => last.known(index))).toEqual(['begun', 'ok', 'new']);
    await last.close('interrupted');
  });

  test('knows after it was closed what was begun and what was settled, and hands the lines out', async () => {
    const dataDir = temporaryDataDir();
    const journal = await journalIn(dataDir, { total: 4, settings: { concurrency: 5 } });
    expect(journal.known(0)).toBe('new');
    await Promise.all([journal.begin(0, undefined), journal.begin(1, undefined), journal.begin(2, undefined)]);
    await Promise.all([journal.settle(resultOf(1)), journal.settle(resultOf(0, 'unknown'))]);
    await journal.close('interrupted', 'the test wants it so');
    const again = await journalIn(dataDir, { resume: true });
    expect([0, 1, 2, 3].map((index) => again.known(index))).toEqual(['unknown', 'ok', 'begun', 'new']);
    expect(again.counts).toEqual({ ok: 1, failed: 0, not_started: 0, unknown: 1, canceled: 0 });
    expect(again.settled).toBe(2);
    expect(again.meta).toMatchObject({ id: 'b1', settings: { concurrency: 5 } });
    await again.settle(resultOf(2, 'failed'));
    await again.settle(resultOf(3, 'not_started'));
    await again.close('done');
    const batches = openBatches({ dataDir });
    expect(await batches.show('b1')).toMatchObject({ state: 'done', total: 4, settled: 4, begun: 4, inFlight: 0 });
    const lines = await linesOf(batches);
    expect(lines.map(({ index }) => index)).toEqual([1, 0, 2, 3]);
    expect(lines[0]).toEqual({
      index: 1,
      id: 'id-1',
      key: 'k1',
      outcome: 'ok',
      response: { payload: 1 },
      ...{ attempts: 1, shard: 0, reused: true, cache: 'none' },
      timing: { queuedMs: 0, openMs: 0, runMs: 1.5 },
      history: [],
    });
  });

  test('acknowledges nothing before its store has it, and nothing ever after a flush that failed (R4)', async () => {
    const dataDir = temporaryDataDir();
    const gates: { open: () => void; fail: (error: Error) => void }[] = [];
    let holding = false;
    const journal = await journalIn(dataDir, {
      open: (dir) =>
        watchedStore(dir, async () => {
          if (holding) await new Promise<void>((open, fail) => gates.push({ open, fail }));
        }),
    });
    holding = true;
    const seen: string[] = [];
    const note = (what: string, promise: Promise<void>) =>
      promise.then(
        () => seen.push(what),
        (error: Error) => seen.push(`${what}: ${error.message}`),
      );
    const all = [note('begin', journal.begin(0, undefined))];
    await expect.poll(() => gates.length).toBe(1);
    all.push(note('settle', journal.settle(resultOf(0))), note('second', journal.begin(1, undefined)));
    expect(seen).toEqual([]);
    gates[0]!.open();
    await expect.poll(() => gates.length).toBe(2);
    expect(seen).toEqual(['begin']);
    all.push(note('third', journal.begin(2, undefined)));
    gates[1]!.fail(new Error('EIO'));
    await Promise.all(all);
    expect(seen).toEqual(['begin', 'settle: EIO', 'second: EIO', 'third: EIO']);
    holding = false;
    await note('late', journal.settle(resultOf(1)));
    expect(seen.at(-1)).toBe('late: EIO');
    await journal.close('interrupted');
    const again = await journalIn(dataDir, { resume: true });
    expect(again.known(2)).toBe('new');
  });

  test('whose store cannot even take that it was let go of is taken over while its process lives', async () => {
    const dataDir = temporaryDataDir();
    let isFull = false;
    const open = async (dir: string) => {
      const store = await watchedStore(dir, async () => {});
      const full = new KeylaneError('ERR_STORE_FULL', 'no room');
      const transaction: JournalStore['transaction'] = (work) =>
        isFull ? Promise.reject(full) : store.transaction(work);
      return { ...store, transaction };
    };
    const journal = await journalIn(dataDir, { open });
    const socket = () => readdirSync(join(dataDir, 'batches/b1')).filter((name) => name.startsWith('owner-'));
    const [name] = socket();
    isFull = true;
    expect((await refusal(journal.settle(resultOf(0)))).code).toBe('ERR_STORE_FULL');
    await journal.close('interrupted');
    expect(socket()).toEqual([name]);
    // As another process sees it.
    const owner = (await openBatchStore(join(dataDir, 'batches/b1'))) as JournalStore;
    const { pid, id } = JSON.parse(String(owner.get('owner'))) as Owner;
    expect([pid, `owner-${id}.sock`]).toEqual([process.pid, name]);
    await expect(
      new Promise((resolve, reject) =>
        connect(join(dataDir, 'batches/b1', name!), () => resolve('listens')).on('error', reject),
      ),
    ).rejects.toThrow('ECONNREFUSED');
    await owner.close();
    const again = await journalIn(dataDir, { resume: true });
    expect(socket()).toHaveLength(1);
    expect(again.known(0)).toBe('new');
  });

  test('waits for more three times as long as its disk took while most are out, and not where most wait for it', async () => {
    const clock = new FakeClock();
    let commits = 0;
    const open = (dir: string) =>
      watchedStore(dir, async () => {
        commits++;
        clock.advance(10);
      });
    const journal = await journalIn(temporaryDataDir(), { clock, open });
    const atFirst = commits;
    await Promise.all([0, 1, 2, 3, 4, 5].map((index) => journal.begin(index, undefined)));
    expect(commits - atFirst).toBe(1);
    const told = [journal.settle(resultOf(0)), journal.settle(resultOf(1))];
    for (let turn = 0; turn < 20; turn++) await settled();
    expect(commits - atFirst).toBe(1);
    clock.advance(29);
    for (let turn = 0; turn < 20; turn++) await settled();
    expect(commits - atFirst).toBe(1);
    clock.advance(1);
    await Promise.all(told);
    expect(commits - atFirst).toBe(2);
    // Of four that are out two wait: nobody else is to be waited for.
    await Promise.all([journal.settle(resultOf(2)), journal.settle(resultOf(3))]);
    expect(commits - atFirst).toBe(3);
  });

  test('is refused where there is one already, and named what to do; and where there is none to go on with', async () => {
    const dataDir = temporaryDataDir();
    await (await journalIn(dataDir)).close('interrupted');
    const exists = await refusal(journalIn(dataDir));
    expect(exists.code).toBe('ERR_EXISTS');
    expect(exists.message).toContain('keylane batch resume b1');
    expect((await refusal(journalIn(dataDir, { id: 'b2', resume: true }))).code).toBe('ERR_INPUT');
    expect((await openBatches({ dataDir }).list()).map(({ id }) => id)).toEqual(['b1']);
    for (const id of ['', '.b', '../b', 'a/b', 'x'.repeat(65), 'ä'])
      expect((await refusal(journalIn(dataDir, { id }))).message).toContain('no id of a batch');
  });

  test('is refused with an input that is not the one it began with', async () => {
    const dataDir = temporaryDataDir();
    const input: InputIdentity = {
      ...{ path: '/in.ndjson', spooled: false, format: 'ndjson', bytes: 10, sha256: 'aa', driver: 'echo' },
    };
    await (await journalIn(dataDir, { input })).close('interrupted');
    const changes: Partial<InputIdentity>[] = [{ sha256: 'bb' }, { bytes: 11 }, { template: 'x' }, { skipped: [1] }];
    for (const change of changes) {
      const error = await refusal(journalIn(dataDir, { resume: true, input: { ...input, ...change } }));
      expect([error.code, error.message]).toEqual([
        'ERR_INPUT',
        expect.stringContaining('not the one that it began with'),
      ]);
    }
    expect((await refusal(journalIn(dataDir, { resume: true }))).code).toBe('ERR_INPUT');
    const moved = await journalIn(dataDir, { resume: true, input: { ...input, path: '/moved.ndjson' } });
    expect(moved.input?.path).toBe('/moved.ndjson');
  });

  test('tells a request that is another one now by its digest', async () => {
    const dataDir = temporaryDataDir();
    const journal = await journalIn(dataDir);
    await Promise.all([journal.begin(0, 'abcdefgh'), journal.begin(700, '\u00ff\u0000234567')]);
    await Promise.all([journal.settle(resultOf(2)), journal.begin(3, undefined), journal.begin(4, '12345678')]);
    await journal.close('interrupted');
    const again = await journalIn(dataDir, { resume: true });
    again.check(0, 'abcdefgh');
    again.check(700, '\u00ff\u0000234567');
    // Of these nothing is known: one never began, the others had none.
    for (const index of [2, 3, 5]) again.check(index, 'whatever');
    expect(() => again.check(0, 'abcdefgX')).toThrow('index 0');
    expect(() => again.check(700, 'abcdefgh')).toThrow('index 700');
  });
});

describe('the results of a batch', () => {
  test('come in the order they were settled or in that of the input, all or by outcome, and after what was read before', async () => {
    const random = seeded();
    const dataDir = temporaryDataDir();
    const journal = await journalIn(dataDir);
    const indexes = Array.from({ length: 300 }, (_, index) => index).sort(() => random.below(3) - 1);
    const outcomeOf = new Map(indexes.map((index) => [index, OUTCOMES[random.below(5)]!]));
    for (const [at, index] of indexes.entries()) {
      const said = random.below(20) === 0 ? '\u20ac'.repeat(1 + random.below(40_000)) : `said ${index}`;
      const onDisk = journal.settle(resultOf(index, outcomeOf.get(index), said));
      if (at % 37 === 0) await onDisk;
    }
    const batches = openBatches({ dataDir });
    await journal.close('done');
    expect((await linesOf(batches)).map(({ index }) => index)).toEqual(indexes);
    const ordered = await linesOf(batches, 'b1', { ordered: true });
    expect(ordered.map(({ index }) => index)).toEqual([...indexes].sort((a, b) => a - b));
    const only = await linesOf(batches, 'b1', { ordered: true, outcomes: ['failed', 'unknown'] });
    expect(only).toEqual(ordered.filter(({ outcome }) => outcome === 'failed' || outcome === 'unknown'));
    // On from where somebody stopped: as they were settled, in order, and of some only.
    const skip = random.below(301);
    expect((await linesOf(batches, 'b1', { skip })).map(({ index }) => index)).toEqual(indexes.slice(skip));
    expect(await linesOf(batches, 'b1', { ordered: true, skip })).toEqual(ordered.slice(skip));
    const rest = await linesOf(batches, 'b1', { ordered: true, outcomes: ['failed', 'unknown'], skip: 20 });
    expect(rest).toEqual(only.slice(20));
    const read: number[] = [];
    let after: number | undefined;
    for (;;) {
      let count = 0;
      for await (const { index, commit } of batches.results('b1', { after })) {
        if (count > 0 && commit !== after) break;
        read.push(index);
        after = commit;
        count++;
      }
      if (count === 0) break;
    }
    expect(read).toEqual(indexes);
  });
});

describe('long lines', () => {
  test('are kept in the side file within the total, and past it without what was said, which the line tells', async () => {
    const dataDir = temporaryDataDir();
    const journal = await journalIn(dataDir, { maxOutputTotal: 250_000 });
    const long = (index: number) => ({
      ...resultOf(index),
      response: { code: 3, signal: null, stdout: 'o'.repeat(100_000), stderr: `short ${index}`, truncated: false },
    });
    for (let index = 0; index < 4; index++) await journal.settle(long(index));
    await journal.settle(resultOf(4));
    await journal.close('interrupted');
    const again = await journalIn(dataDir, { resume: true, maxOutputTotal: 250_000 });
    await again.settle(long(5));
    await again.close('done');
    const lines = await linesOf(openBatches({ dataDir }));
    expect(
      lines.map(({ index, response, dropped }) => [index, (response as { stdout?: string }).stdout?.length, dropped]),
    ).toEqual([
      [0, 100_000, undefined],
      [1, 100_000, undefined],
      [2, undefined, expect.any(Number)],
      [3, undefined, expect.any(Number)],
      [4, undefined, undefined],
      [5, undefined, expect.any(Number)],
    ]);
    expect(lines[2]).toMatchObject({ response: { code: 3, signal: null, stderr: 'short 2', truncated: false } });
    expect(statSync(join(dataDir, 'batches/b1/large.ndjson')).size).toBeLessThan(250_000);
  });

  test('are told from what was written only if they have their checksum (R5)', async () => {
    const dataDir = temporaryDataDir();
    const journal = await journalIn(dataDir);
    await journal.settle(resultOf(0, 'ok', 'x'.repeat(100_000)));
    await journal.settle(resultOf(1));
    await journal.close('done');
    const path = join(dataDir, 'batches/b1/large.ndjson');
    const whole = readFileSync(path);
    const batches = openBatches({ dataDir });
    expect(await linesOf(batches)).toHaveLength(2);
    const damages: [string, () => void][] = [
      ['a byte is another', () => writeFileSync(path, Buffer.from(whole).fill('y', 5_000, 5_001))],
      ['it is cut off', () => truncateSync(path, whole.length - 1)],
      ['it is gone', () => rmSync(path)],
    ];
    for (const [what, damage] of damages) {
      damage();
      const error = await refusal(linesOf(batches));
      expect([what, error.code, error.message]).toEqual([
        what,
        'ERR_STORE_CORRUPT',
        expect.stringContaining('large.ndjson'),
      ]);
      // What does not need it is still to be had.
      expect(await linesOf(batches, 'b1', { outcomes: ['failed'] })).toEqual([]);
      expect(await batches.show('b1')).toMatchObject({ settled: 2 });
    }
  });
});

describe('a batch that has ended', () => {
  test('gives for a retry what failed and what has not started, and what is unknown only if asked (R10)', async () => {
    const random = seeded();
    const dataDir = temporaryDataDir();
    const journal = await journalIn(dataDir, { total: 1_000 });
    const model = new Map<number, Outcome>();
    for (const index of Array.from({ length: 1_000 }, (_, i) => i).sort(() => random.below(3) - 1)) {
      const outcome = OUTCOMES[random.below(OUTCOMES.length)]!;
      model.set(index, outcome);
      if (random.below(2) === 0) void journal.begin(index, undefined);
      const onDisk = journal.settle(resultOf(index, outcome));
      if (random.below(50) === 0) await onDisk;
    }
    await journal.close('done');
    const batches = openBatches({ dataDir });
    const choices: Outcome[][] = [
      ['failed', 'not_started'],
      ['failed', 'not_started', 'unknown'],
      ['unknown'],
      [],
      OUTCOMES,
    ];
    for (const outcomes of choices) {
      const { count, has } = await batches.select('b1', outcomes);
      const chosen = [...model.keys()].filter((index) => has(index)).sort((a, b) => a - b);
      const expected = [...model].filter(([, outcome]) => outcomes.includes(outcome)).map(([index]) => index);
      expect(chosen).toEqual(expected.sort((a, b) => a - b));
      expect(count).toBe(expected.length);
      expect([-1, 1_000, 0.5].some((index) => has(index))).toBe(false);
    }
  });

  test('is not run again while it can be gone on with', async () => {
    const dataDir = temporaryDataDir();
    await (await journalIn(dataDir)).close('interrupted');
    const error = await refusal(openBatches({ dataDir }).select('b1', ['not_started']));
    expect([error.code, error.message]).toEqual(['ERR_INPUT', expect.stringContaining('resume b1')]);
  });

  test('by being canceled has a result for each: cut off, or never begun, named as the input names them', async () => {
    const dataDir = temporaryDataDir();
    const file = join(dataDir, 'in.ndjson');
    const line = (i: number) => `${JSON.stringify({ id: `job-${i}`, request: { key: `k${i}` } })}\n`;
    writeFileSync(file, [0, 1, 2, 3, 4].map(line).join(''));
    const { identity: input } = await openJobs(file, { driver: 'echo' });
    const journal = await journalIn(dataDir, { input, total: 5 });
    await journal.settle(resultOf(2));
    await journal.begin(1, undefined);
    await journal.close('interrupted');
    const batches = openBatches({ dataDir });
    const counts = { ok: 1, failed: 0, not_started: 3, unknown: 1, canceled: 0 };
    expect(await batches.cancel('b1')).toMatchObject({ state: 'canceled', settled: 5, inFlight: 0, counts });
    const told = async (ordered: boolean) =>
      (await linesOf(batches, 'b1', { ordered })).map(({ id, outcome, error }) => [
        id,
        outcome,
        (error as { code?: string })?.code,
      ]);
    const cut = ['job-1', 'unknown', 'ERR_INTERRUPTED'];
    const never = (id: string) => [id, 'not_started', 'ERR_CANCELED'];
    const done = ['id-2', 'ok', undefined];
    expect(await told(true)).toEqual([never('job-0'), cut, done, never('job-3'), never('job-4')]);
    expect(await told(false)).toEqual([done, never('job-0'), cut, never('job-3'), never('job-4')]);
    for (const ordered of [true, false]) {
      const all = await linesOf(batches, 'b1', { ordered });
      for (let skip = 0; skip <= 5; skip++)
        expect(await linesOf(batches, 'b1', { ordered, skip })).toEqual(all.slice(skip));
    }
    // Without its input they are called by their places.
    rmSync(file);
    expect(await told(true)).toEqual([never('0'), ['1', ...cut.slice(1)], done, never('3'), never('4')]);
    const { has, count } = await batches.select('b1', ['not_started']);
    expect([count, [0, 1, 2, 3, 4, 5].filter(has)]).toEqual([3, [0, 3, 4]]);
    expect((await refusal(journalIn(dataDir, { resume: true, input, total: 5 }))).message).toContain('was canceled');
    expect(await batches.cancel('b1')).toMatchObject({ state: 'canceled', counts });
  });

  test('is removed with all that is kept of it, also where it is damaged; and others stay', async () => {
    const dataDir = temporaryDataDir();
    for (const id of ['b1', 'b2', 'b3']) await (await journalIn(dataDir, { id })).close('done');
    truncateSync(join(dataDir, 'batches/b2/data.mdb'), 5_000);
    const batches = openBatches({ dataDir });
    const listed = (await batches.list()).map(({ id, error }) => [id, error?.code]).sort();
    expect(listed).toEqual([
      ['b1', undefined],
      ['b2', 'ERR_STORE_CORRUPT'],
      ['b3', undefined],
    ]);
    await batches.remove('b1');
    await batches.remove('b2');
    mkdirSync(join(dataDir, 'batches/b4'), { mode: 0o700 });
    writeFileSync(join(dataDir, 'batches/b4/input.ndjson'), '');
    await batches.remove('b4');
    expect(readdirSync(join(dataDir, 'batches'))).toEqual(['b3']);
    for (const refused of [batches.remove('b1'), batches.show('b1'), batches.cancel('b1'), linesOf(batches)])
      expect((await refusal(refused)).code).toBe('ERR_INPUT');
    expect(readdirSync(join(dataDir, 'batches'))).toEqual(['b3']);
    expect(await openBatches({ dataDir: join(dataDir, 'none') }).list()).toEqual([]);
  });
});

test('all that is kept is for its owner alone, whatever the umask (X2)', async () => {
  const dataDir = temporaryDataDir();
  const umask = process.umask(0);
  onTestFinished(() => void process.umask(umask));
  const journal = await journalIn(dataDir);
  await journal.settle(resultOf(0, 'ok', 'x'.repeat(100_000)));
  const modes = readdirSync(dataDir, { recursive: true, withFileTypes: true }).map((entry) => {
    const { mode } = lstatSync(join(entry.parentPath, entry.name));
    return [entry.name, (mode & 0o777) === (entry.isDirectory() ? 0o700 : 0o600)];
  });
  expect(modes.length).toBeGreaterThan(6);
  expect(modes.filter(([, isPrivate]) => !isPrivate)).toEqual([]);
});
