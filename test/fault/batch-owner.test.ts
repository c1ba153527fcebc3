import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBatches } from 'keylane';
import { describe, expect, test, vi } from 'vitest';
import { journalProcess, type Said, temporaryDataDir } from '../support/journal-process.ts';

vi.setConfig({ testTimeout: process.env.KEYLANE_LONG ? 900_000 : 60_000 });

const RACERS = 20;
const ROUNDS = process.env.KEYLANE_LONG ? 100 : 4;

function sockets(dataDir: string): string[] {
  return readdirSync(join(dataDir, 'batches', 'b1')).filter((name) => name.endsWith('.sock'));
}

describe('the owner of a batch (R7)', () => {
  test('is the only one: a second is refused within a second and told who it is, a third comes when it was killed', async () => {
    const dataDir = temporaryDataDir();
    const first = journalProcess(dataDir, 'hold', 'new');
    const { pid } = (await first.says())!;
    // Stopped, it is as good as busy for an hour, and still the owner.
    for (const signal of ['SIGCONT', 'SIGSTOP'] as const) {
      first.child.kill(signal);
      let fastest = Number.POSITIVE_INFINITY;
      // The machine may be busy with other things; the promise is about this one.
      for (let i = 0; i < 4 && fastest >= 1_000; i++) {
        const second = (await journalProcess(dataDir, 'hold', 'resume').says())!;
        expect(second.code).toBe('ERR_STORE_BUSY');
        expect(second.message).toContain(`process ${pid} runs the batch b1`);
        fastest = Math.min(fastest, second.ms);
      }
      expect(fastest).toBeLessThan(1_000);
    }
    const other = (await journalProcess(dataDir, 'hold', 'new').says())!;
    expect(other.code).toBe('ERR_STORE_BUSY');
    await first.kill();
    const third = journalProcess(dataDir, 'hold', 'resume');
    const { pid: now } = (await third.says())!;
    expect(now).toBe(third.child.pid);
    expect(await openBatches({ dataDir }).show('b1')).toMatchObject({ state: 'running', pid: now });
    await third.end();
    expect(sockets(dataDir)).toEqual([]);
  });

  test('is one of twenty that come at once, whoever was there before', async () => {
    const dataDir = temporaryDataDir();
    const come = async () => {
      const racer = journalProcess(dataDir, 'race', 'new');
      await racer.says();
      return racer;
    };
    const racers = await Promise.all(Array.from({ length: RACERS }, come));
    for (let round = 0; round < ROUNDS; round++) {
      // The first are there for a batch that is not there yet, the others take over from one that was killed.
      for (const racer of racers) racer.child.stdin.write(round === 0 ? 'new\n' : 'resume\n');
      const said = (await Promise.all(racers.map((racer) => racer.says()))) as Said[];
      const owners = said.flatMap(({ pid }, i) => (pid === undefined ? [] : [{ pid, i }]));
      expect(owners).toHaveLength(1);
      const [{ pid, i }] = owners as [{ pid: number; i: number }];
      for (const { code, message } of said)
        if (code) expect([code, message]).toEqual(['ERR_STORE_BUSY', expect.stringContaining(`process ${pid} runs`)]);
      await racers[i]!.kill();
      racers[i] = await come();
    }
  });

  test('is told to the next one while the store would have to be walked, because somebody who only read it was killed', async () => {
    const dataDir = temporaryDataDir();
    const first = journalProcess(dataDir, 'hold', 'new');
    const { pid } = (await first.says())!;
    const users = join(dataDir, 'batches', 'b1', 'users');
    const [name] = readdirSync(users);
    const dead = { ...(JSON.parse(readFileSync(join(users, name!), 'utf8')) as object), id: randomUUID(), start: '1' };
    const isThere = () => existsSync(join(users, dead.id));
    // An owner that has no time to answer is looked up in the store.
    for (let i = 0; i < 5 && !isThere(); i++) {
      writeFileSync(join(users, dead.id), JSON.stringify(dead));
      const said = (await journalProcess(dataDir, 'hold', 'resume').says())!;
      expect([said.code, said.message]).toEqual(['ERR_STORE_BUSY', expect.stringContaining(`process ${pid} runs`)]);
    }
    // Nobody has looked into the store, or the dead one would be gone.
    expect(isThere()).toBe(true);
  });

  test('is not taken for dead where somebody has removed its socket', async () => {
    const dataDir = temporaryDataDir();
    const first = journalProcess(dataDir, 'hold', 'new');
    const { pid } = (await first.says())!;
    for (const name of sockets(dataDir)) rmSync(join(dataDir, 'batches', 'b1', name));
    const { code, message } = (await journalProcess(dataDir, 'hold', 'resume').says())!;
    expect([code, message]).toEqual(['ERR_STORE_BUSY', expect.stringContaining(`process ${pid} `)]);
  });

  test('ends the batch when another process cancels it, and keeps it from being removed until then', async () => {
    const dataDir = temporaryDataDir();
    const batches = openBatches({ dataDir });
    const owner = journalProcess(dataDir, 'hold', 'new');
    const { pid } = (await owner.says())!;
    await expect(batches.remove('b1')).rejects.toThrow(`process ${pid} runs`);
    await expect(batches.select('b1', ['failed'])).rejects.toMatchObject({ code: 'ERR_STORE_BUSY' });
    expect(await batches.cancel('b1')).toMatchObject({ state: 'canceled' });
    await owner.ended;
    expect((await journalProcess(dataDir, 'hold', 'resume').says())!.message).toContain('was canceled');
    await batches.remove('b1');
    expect(readdirSync(join(dataDir, 'batches'))).toEqual([]);
  });

  test('need not live for a batch to be canceled', async () => {
    const dataDir = temporaryDataDir();
    const batches = openBatches({ dataDir });
    const owner = journalProcess(dataDir, 'hold', 'new');
    await owner.says();
    await owner.kill();
    expect(await batches.show('b1')).toMatchObject({ state: 'interrupted', why: 'its process died' });
    expect(await batches.cancel('b1')).toMatchObject({ state: 'canceled', settled: 1e6, counts: { not_started: 1e6 } });
  });
});
