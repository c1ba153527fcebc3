import { describe, expect, test } from 'vitest';
import { type Batches, openBatches, type ResultsOptions } from '../../../src/batch/batches.ts';
import { type JournalStore, openBatchStore } from '../../../src/batch/journal/journal.ts';
import type { InputIdentity } from '../../../src/batch-types.ts';
import { KeylaneError } from '../../../src/errors.ts';
import type { Outcome } from '../../../src/types.ts';
import { journalIn, resultOf } from '../../support/journal.ts';
import { temporaryDataDir } from '../../support/journal-process.ts';
import { seeded } from '../../support/seed.ts';

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

describe('a journal', () => {
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
    const held = (store: JournalStore): JournalStore => ({
      get: (key) => store.get(key),
      put: (key, value) => store.put(key, value),
      remove: (key) => store.remove(key),
      range: (range) => store.range(range),
      close: () => store.close(),
      transaction: async (work) => {
        const result = await store.transaction(work);
        if (holding) await new Promise<void>((open, fail) => gates.push({ open, fail }));
        return result;
      },
    });
    let holding = false;
    const journal = await journalIn(dataDir, { open: async (dir) => held(await openBatchStore(dir)) });
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
    await journal.close('interrupted');
    const again = await journalIn(dataDir, { resume: true });
    again.check(0, 'abcdefgh');
    again.check(700, '\u00ff\u0000234567');
    again.check(5, 'whatever');
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
    const outcomes: Outcome[] = ['ok', 'failed', 'not_started', 'unknown', 'canceled'];
    const outcomeOf = new Map(indexes.map((index) => [index, outcomes[random.below(5)]!]));
    for (const [at, index] of indexes.entries()) {
      const said = random.below(20) === 0 ? '\u20ac'.repeat(1 + random.below(40_000)) : `said ${index}`;
      const settled = journal.settle(resultOf(index, outcomeOf.get(index), said));
      if (at % 37 === 0) await settled;
    }
    const batches = openBatches({ dataDir });
    await journal.close('done');
    expect((await linesOf(batches)).map(({ index }) => index)).toEqual(indexes);
    const ordered = await linesOf(batches, 'b1', { ordered: true });
    expect(ordered.map(({ index }) => index)).toEqual([...indexes].sort((a, b) => a - b));
    const only = await linesOf(batches, 'b1', { ordered: true, outcomes: ['failed', 'unknown'] });
    expect(only).toEqual(ordered.filter(({ outcome }) => outcome === 'failed' || outcome === 'unknown'));
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
