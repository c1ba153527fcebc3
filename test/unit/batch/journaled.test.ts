import { describe, expect, test } from 'vitest';
import { Batch } from '../../../src/batch/batch.ts';
import type { Input } from '../../../src/batch/source.ts';
import type { BatchOptions } from '../../../src/batch-options.ts';
import type { IndexedJob } from '../../../src/batch-types.ts';
import { KeylaneError } from '../../../src/errors.ts';
import type { Result } from '../../../src/types.ts';
import { settled } from '../../support/fake-clock.ts';
import { FakeHost, outcomes, readAll, refused, setUpInput } from '../../support/fake-host.ts';
import { JournalDisk, MemoryJournal } from '../../support/memory-journal.ts';

function requests(from: Iterable<string> | AsyncIterable<string>): Input<string> {
  return { kind: 'requests', from };
}

/** A batch in a process that may die: what is on the disk stays. */
function begin(names: Iterable<string>, options: BatchOptions<string> = {}, disk = new JournalDisk()) {
  const journal = new MemoryJournal(disk);
  return { ...setUpInput(requests(names), options, journal), journal, disk };
}

const short = (results: readonly Result[]) => results.map(({ id, outcome, error }) => [id, error?.code ?? outcome]);

describe('each step is on the disk before the next', () => {
  test('nothing leaves before its intent is there, and nothing is handed out before its result is', async () => {
    const { host, batch, journal, disk } = begin(['a', 'b']);
    journal.isHeld = true;
    const read = readAll(batch);
    await settled();
    expect([host.submitted, disk.begun.size]).toEqual([0, 0]);
    journal.commit();
    await settled();
    expect([host.submitted, disk.begun.size]).toEqual([2, 2]);
    let isRead = false;
    void read.then(() => {
      isRead = true;
    });
    await host.answer('a');
    await host.answer('b', 'no');
    await settled();
    expect([disk.outcomes.size, isRead]).toEqual([0, false]);
    journal.commit();
    expect(short((await read).results)).toEqual([
      ['0', 'ok'],
      ['1', 'failed'],
    ]);
    expect([...disk.outcomes]).toEqual([
      [0, 'ok'],
      [1, 'failed'],
    ]);
    expect([disk.state, journal.closed]).toEqual(['done', 1]);
  });

  test('a request has one intent, however many tries', async () => {
    const { host, batch, disk } = begin(['a']);
    const read = readAll(batch);
    await settled();
    await host.answer('a', undefined, refused());
    await host.clock.advanceSettling(500);
    await host.answer('a');
    expect((await read).results[0]).toMatchObject({ outcome: 'ok', attempts: 2 });
    expect(disk.begun.size).toBe(1);
  });

  test('what could not be read, or was never let through, has a result and no intent', async () => {
    const { host, batch, disk } = begin(['bad', 'a', 'b'], { concurrencyPerKey: 1, maxFailures: 2 });
    const read = readAll(batch);
    await settled();
    await host.answer('a', 'no');
    await host.answer('b');
    await read;
    expect([...disk.begun.keys()]).toEqual([1, 2]);
    expect(disk.outcomes.get(0)).toBe('not_started');
  });

  test('results on their way to the disk keep nobody from starting: both go in one commit', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `h${i}`);
    const { host, batch, journal } = begin(names, { concurrency: 2 });
    const read = readAll(batch);
    await settled();
    await settled();
    expect(host.keys).toEqual(['h0', 'h1']);
    journal.isHeld = true;
    await host.answer('h0');
    await host.answer('h1');
    journal.commit();
    await settled();
    expect(host.keys).toEqual(['h2', 'h3']);
    journal.isHeld = false;
    for (const name of names.slice(2)) {
      await settled();
      await host.answer(name);
    }
    expect((await read).results).toHaveLength(20);
  });
});

describe('a batch that is gone on with', () => {
  async function half(options: BatchOptions<string> = {}) {
    const disk = new JournalDisk();
    const { host, batch } = begin(['a', 'b', 'c', 'd'], { concurrency: 2, ...options }, disk);
    const first = batch.next();
    await settled();
    await host.answer('a');
    await first;
    await settled();
    // The process dies: b and c are in flight, d was never taken.
    expect([[...disk.begun.keys()], [...disk.outcomes.keys()]]).toEqual([[0, 1, 2], [0]]);
    return disk;
  }

  test('what has ended is not run again, what was in flight is unknown, the rest goes on', async () => {
    const disk = await half();
    const { host, batch } = begin(['a', 'b', 'c', 'd'], {}, disk);
    const read = readAll(batch);
    await settled();
    await host.answer('d');
    const { results } = await read;
    expect(short(results)).toEqual([
      ['1', 'ERR_INTERRUPTED'],
      ['2', 'ERR_INTERRUPTED'],
      ['3', 'ok'],
    ]);
    expect(results[0]).toMatchObject({ key: 'b', outcome: 'unknown', attempts: 1, history: [] });
    expect([host.submitted, disk.state, disk.outcomes.size]).toEqual([1, 'done', 4]);
    expect(batch.progress).toMatchObject({ total: 4, settled: 4, counts: { ok: 2, unknown: 2 } });
  });

  test('what was in flight and is idempotent runs again, and its history says so', async () => {
    const disk = await half();
    const options = { each: (request: string) => ({ idempotent: request !== 'c' }) };
    const { host, batch } = begin(['a', 'b', 'c', 'd'], options, disk);
    const read = readAll(batch);
    await settled();
    await host.answer('b');
    await host.answer('d');
    const { results } = await read;
    expect(short(results)).toEqual([
      ['2', 'ERR_INTERRUPTED'],
      ['1', 'ok'],
      ['3', 'ok'],
    ]);
    expect(results[1]).toMatchObject({ attempts: 2, history: [{ outcome: 'unknown', code: 'ERR_INTERRUPTED' }] });
  });

  test('that its last try did not start says nothing of the one before', async () => {
    const disk = await half();
    const { host, batch } = begin(['a', 'b', 'c', 'd'], { idempotent: true, attempts: 1 }, disk);
    const read = readAll(batch);
    await settled();
    await host.answer('b', undefined, refused());
    host.refusal = new KeylaneError('ERR_INPUT', 'not any more');
    await host.answer('c');
    await host.answer('d');
    const { results } = await read;
    expect(results.map(({ index, outcome }) => [index, outcome])).toEqual([
      [1, 'unknown'],
      [2, 'ok'],
      [3, 'ok'],
    ]);
    expect(results[0]?.error?.message).toContain('an earlier try may have run');
  });

  test('stopped, what was in flight is unknown and what never began has not started', async () => {
    const disk = await half();
    const { batch, host } = begin(['a', 'b', 'c', 'd'], { maxFailures: 2 }, disk);
    const { results } = await readAll(batch);
    expect(short(results)).toEqual([
      ['1', 'ERR_INTERRUPTED'],
      ['2', 'ERR_INTERRUPTED'],
      ['3', 'ERR_STOPPED'],
    ]);
    expect([host.submitted, disk.state]).toEqual([0, 'stopped']);
    expect(disk.why).toContain('`maxFailures` is 2');
  });

  test('failures of the process before count, and so does its canary', async () => {
    for (const options of [{ maxFailures: 1 }, { canary: 2 }]) {
      const disk = new JournalDisk();
      disk.outcomes.set(1, 'failed');
      const { batch, host } = begin(['a', 'b', 'c'], options, disk);
      const { results } = await readAll(batch);
      expect(short(results)).toEqual([
        ['0', 'ERR_STOPPED'],
        ['2', 'ERR_STOPPED'],
      ]);
      expect(host.submitted).toBe(0);
    }
  });

  test('another request in the place of one that began ends it before anything starts', async () => {
    const disk = await half();
    const { batch, host } = begin(['a', 'other', 'c', 'd'], { concurrency: 1 }, disk);
    const { results, error } = await readAll(batch);
    expect(error).toMatchObject({ code: 'ERR_INPUT', message: 'request 1 is another one' });
    expect([results.length, host.submitted, disk.state]).toEqual([0, 0, 'interrupted']);
  });

  test('what it waited for is known from before', async () => {
    const disk = new JournalDisk();
    disk.outcomes.set(0, 'ok').set(1, 'failed');
    const each = (request: string) => ({ id: request, after: { c: ['a'], d: ['b'] }[request] ?? [] });
    const { batch, host } = begin(['a', 'b', 'c', 'd'], { each }, disk);
    const read = readAll(batch);
    await settled();
    await host.answer('c');
    expect(short((await read).results)).toEqual([
      ['d', 'ERR_STOPPED'],
      ['c', 'ok'],
    ]);
  });
});

describe('a batch of jobs that is gone on with', () => {
  const jobs: IndexedJob[] = [
    { index: 0, request: 'a', id: 'a', after: ['c'] },
    { index: 1, request: 'b', id: 'b', labels: ['w'] },
    { index: 2, request: 'c', id: 'c' },
  ];
  const named = new Map([['c', 2]]);
  const identity = { path: '/j', spooled: false, bytes: 1, format: 'ndjson', sha256: '', driver: 'echo' } as const;
  const source = (isNamed: boolean): Input<string> => ({
    kind: 'source',
    from: {
      ...{ identity, total: 3, ...(isNamed && { named }) },
      read: (wanted) => jobs.filter(({ index }) => wanted(index)),
    },
  });

  test('one that waits for a later one that had ended goes on', async () => {
    const plain = jobs.map(({ index: _, ...job }) => job);
    for (const input of [source(true), { kind: 'jobs', from: plain } as const]) {
      const disk = new JournalDisk();
      disk.outcomes.set(2, 'ok');
      const { host, batch } = setUpInput(input, {}, new MemoryJournal(disk));
      const read = readAll(batch);
      await settled();
      await settled();
      await host.answer('a');
      await host.answer('b');
      expect((await read).results.map(({ outcome }) => outcome)).toEqual(['ok', 'ok']);
    }
  });

  test('in a later wave too, what was in flight is not run again', async () => {
    const disk = new JournalDisk();
    disk.begun.set(0, undefined).set(2, undefined);
    disk.outcomes.set(2, 'ok');
    const { host, batch } = setUpInput(source(true), { waves: ['w'] }, new MemoryJournal(disk));
    const read = readAll(batch);
    await settled();
    await host.answer('b');
    expect(short((await read).results)).toEqual([
      ['b', 'ok'],
      ['a', 'ERR_INTERRUPTED'],
    ]);
    expect(host.submitted).toBe(1);
  });
});

describe('what interrupts it', () => {
  const four = ['a', 'b', 'c', 'd'];

  test.each(['a signal', 'leaving the loop', 'its engine'])('%s: what has no result is not handed out', async (how) => {
    const controller = new AbortController();
    const { host, batch, disk } = begin(four, { concurrency: 2, signal: controller.signal });
    const first = batch.next();
    await settled();
    await host.answer('a');
    expect((await first).value).toMatchObject({ index: 0, outcome: 'ok' });
    await settled();
    await settled();
    expect(host.keys).toEqual(['b', 'c']);
    let rest: Awaited<ReturnType<typeof readAll>> | undefined;
    if (how === 'a signal') {
      controller.abort();
      rest = await readAll(batch);
    } else if (how === 'leaving the loop') {
      await batch.return();
    } else {
      const over = new KeylaneError('ERR_CLOSED');
      await batch.abandon(over);
      rest = await readAll(batch);
      expect(rest.error).toBe(over);
    }
    expect(rest?.results ?? []).toEqual([]);
    expect([disk.state, [...disk.outcomes]]).toEqual(['interrupted', [[0, 'ok']]]);
    expect(host.clock.pending).toBe(0);
  });

  test('an engine that is closed under it: what is in flight ends, and then the loop, with its error', async () => {
    const { host, batch, disk } = begin(four, { concurrency: 2 });
    const read = readAll(batch);
    await settled();
    await settled();
    host.refusal = new KeylaneError('ERR_CLOSED', 'the engine is closed');
    await host.answer('a');
    await settled();
    await host.answer('b');
    const { results, error } = await read;
    expect(outcomes(results)).toEqual(['ok', 'ok']);
    expect(error).toMatchObject({ code: 'ERR_CLOSED' });
    expect([disk.state, disk.outcomes.size]).toEqual(['interrupted', 2]);
  });

  test('that its engine is closed is no failure of a request', async () => {
    const { host, batch, disk } = begin(four, { concurrency: 2, maxFailures: 1 });
    const read = readAll(batch);
    await settled();
    await settled();
    await host.answer('a', undefined, new KeylaneError('ERR_CLOSED'));
    await host.answer('b');
    expect((await read).error).toMatchObject({ code: 'ERR_CLOSED' });
    expect([disk.state, [...disk.outcomes]]).toEqual(['interrupted', [[1, 'ok']]]);
  });

  test('an engine that is about to close: what is in flight ends, and the loop tells of the rest, if there is any', async () => {
    for (const names of [four, ['a', 'b']]) {
      const { host, batch, disk } = begin(names, { concurrency: 2 });
      const read = readAll(batch);
      await settled();
      await settled();
      const over = new KeylaneError('ERR_CLOSED');
      batch.leave(over);
      await host.answer('a');
      await host.answer('b');
      const { results, error } = await read;
      expect(outcomes(results)).toEqual(['ok', 'ok']);
      expect(error).toBe(names === four ? over : undefined);
      expect(disk.state).toBe(names === four ? 'interrupted' : 'done');
    }
  });

  test('a driver that cannot read its own response has failed, and its place is free again', async () => {
    const { host, batch } = begin(['a', 'b'], { concurrency: 1, maxFailures: 1 });
    host.ok = () => {
      throw new Error('no such field');
    };
    const read = readAll(batch);
    await settled();
    await host.answer('a');
    expect(short((await read).results)).toEqual([
      ['0', 'ERR_PROTOCOL'],
      ['1', 'ERR_STOPPED'],
    ]);
  });

  test('stopped while an intent is on its way to the disk, it does not leave', async () => {
    const { host, batch, journal, disk } = begin(['a', 'bad', 'c'], { maxFailures: 1, concurrency: 1 });
    journal.isHeld = true;
    const read = readAll(batch);
    await settled();
    journal.commit();
    await host.answer('a');
    for (let i = 0; i < 4; i++) {
      journal.commit();
      await settled();
    }
    const { results } = await read;
    expect(short(results).sort()).toEqual([
      ['0', 'ok'],
      ['1', 'ERR_INPUT'],
      ['2', 'ERR_STOPPED'],
    ]);
    expect([host.submitted, disk.state]).toEqual([1, 'stopped']);
  });

  test('an engine that is closed while a stopped batch ends leaves what it cuts to whoever goes on', async () => {
    const { host, batch, disk } = begin(four, { concurrency: 2, maxFailures: 1 });
    const read = readAll(batch);
    await settled();
    await settled();
    await host.answer('a', 'no');
    await host.answer('b', undefined, new KeylaneError('ERR_CLOSED', 'cut', { outcome: 'unknown' }));
    expect((await read).error).toMatchObject({ code: 'ERR_CLOSED' });
    expect([disk.state, disk.outcomes.get(0), disk.outcomes.has(1)]).toEqual(['interrupted', 'failed', false]);
  });

  test('drained: what is in flight ends and is handed out, and the rest is left to whoever goes on', async () => {
    const { host, batch, disk } = begin(four, { concurrency: 2, concurrencyPerKey: 1 });
    const read = readAll(batch);
    await settled();
    await settled();
    batch.drain();
    await host.answer('a');
    await host.answer('b');
    expect(short((await read).results)).toEqual([
      ['0', 'ok'],
      ['1', 'ok'],
    ]);
    expect([disk.state, disk.begun.size]).toEqual(['interrupted', 2]);
  });

  test.each(['drain', 'return'] as const)(
    'by %s: what has an intent and has not left is as if it never had begun, and runs when the batch goes on',
    async (how) => {
      const { host, batch, disk, journal } = begin(['a', 'b', 'c', 'd'], { concurrency: 3 });
      host.queued.add('b');
      const read = readAll(batch);
      await settled();
      await settled();
      expect([host.keys, disk.begun.size]).toEqual([['a', 'b', 'c'], 3]);
      journal.isHeld = true;
      await host.answer('a');
      // The intent of d is on its way to the disk.
      if (how === 'drain') batch.drain();
      else void batch.return();
      while (journal.hasPending) {
        journal.commit();
        await settled();
      }
      journal.isHeld = false;
      if (how === 'drain') await host.answer('c');
      await read;
      expect([disk.state, disk.outcomes.get(0)]).toEqual(['interrupted', 'ok']);
      expect([...disk.begun.keys()]).toEqual([0, 2]);
      const next = begin(['a', 'b', 'c', 'd'], {}, disk);
      const rest = readAll(next.batch);
      await settled();
      await next.host.answer('b');
      await next.host.answer('d');
      const settledRest = short((await rest).results).sort();
      expect(settledRest.filter(([, how]) => how === 'ok')).toEqual([
        ['1', 'ok'],
        ['3', 'ok'],
      ]);
    },
  );

  test('drained when all had ended it is done', async () => {
    const { host, batch, disk } = begin(['a', 'b']);
    const first = batch.next();
    await settled();
    await host.answer('a');
    await host.answer('b');
    await first;
    batch.drain();
    await readAll(batch);
    expect(disk.state).toBe('done');
  });

  test('called off by another process: what was in flight has a result, and nothing else ever will', async () => {
    const { host, batch, disk, journal } = begin(four, { concurrency: 2 });
    const read = readAll(batch);
    await settled();
    await host.answer('a');
    await settled();
    await settled();
    journal.onCancel?.();
    const { results, error } = await read;
    expect(error).toBeUndefined();
    expect(short(results)).toEqual([
      ['0', 'ok'],
      ['1', 'ERR_CANCELED'],
      ['2', 'ERR_CANCELED'],
    ]);
    expect([disk.state, disk.outcomes.size]).toEqual(['canceled', 3]);
  });

  test.each(['intent', 'result'])(
    'a disk that takes no %s: nothing unsaid is handed out, nothing more leaves',
    async (which) => {
      const full = new KeylaneError('ERR_STORE_FULL');
      const { host, batch, journal, disk } = begin(four, { concurrency: 2 });
      const read = readAll(batch);
      if (which === 'intent') journal.trouble = full;
      await settled();
      if (which === 'result') {
        await settled();
        journal.trouble = full;
        await host.answer('a');
      }
      const { results, error } = await read;
      expect(error).toBe(full);
      expect([results.length, disk.outcomes.size, journal.closed]).toEqual([0, 0, 1]);
      expect(host.submitted).toBe(which === 'intent' ? 0 : 2);
      expect(host.calls).toEqual([]);
    },
  );

  test('a journal that cannot be opened ends it before anything is taken', async () => {
    const busy = new KeylaneError('ERR_STORE_BUSY');
    const host = new FakeHost();
    let taken = 0;
    const input = requests(
      (function* () {
        taken++;
        yield 'a';
      })(),
    );
    const open = () => Promise.reject(busy);
    const ended: string[] = [];
    const batch = new Batch<string, string>(host, input, {}, { id: 'b', open, ended: () => ended.push('ended') });
    expect(await readAll(batch)).toEqual({ results: [], error: busy });
    expect([taken, host.submitted, ended.length]).toEqual([0, 0, 1]);
  });
});
