import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { until } from '../support/engine.ts';

const PROGRAM = fileURLToPath(new URL('../support/programs/disk-cache.mjs', import.meta.url));
const PROCESSES = 20;

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-shared-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'cache');
}

type Order = { do: string } & Record<string, unknown>;

/** A process with the cache open, which does one thing after another. */
async function processWith(dir: string) {
  const child = spawn(process.execPath, [PROGRAM, dir], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const heard = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the process ended with ${child.exitCode ?? child.signalCode}`);
    return JSON.parse(value) as unknown;
  };
  return {
    heard,
    tell(order: Order) {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      return heard();
    },
    async end() {
      child.stdin.end();
      return ended;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function openIn(dir: string) {
  const opened = await processWith(dir);
  expect(await opened.heard()).toBe('open');
  return opened;
}

describe('two processes with one cache', () => {
  test('see what the other put, and miss what the other invalidated within a second', async () => {
    const dir = temporary();
    const [one, two] = await Promise.all([openIn(dir), openIn(dir)]);
    const start = await two.tell({ do: 'last' });
    for (const about of ['a', 'b']) expect(await one.tell({ do: 'put', about, tags: [about] })).toBe(true);
    expect(await two.tell({ do: 'look', about: 'a' })).toBe('right');
    const missing = two.tell({ do: 'missing', about: 'a' });
    const seq = await one.tell({ do: 'invalidate', patterns: ['a'] });
    const done = performance.now();
    await missing;
    // Looked for four times a second; the rest is for a machine that has other things to do.
    expect(performance.now() - done).toBeLessThan(3_000);
    expect(await two.tell({ do: 'look', about: 'b' })).toBe('right');
    // For what it remembers elsewhere.
    expect(await two.tell({ do: 'since', seq: start })).toEqual([{ seq, patterns: ['a'] }]);
    expect(await Promise.all([one.end(), two.end()])).toEqual([0, 0]);
  });

  test('keep no answer that one began to fetch before the other invalidated it', async () => {
    const dir = temporary();
    const [one, two] = await Promise.all([openIn(dir), openIn(dir)]);
    const startSeq = await one.tell({ do: 'last' });
    await two.tell({ do: 'invalidate', patterns: ['web'] });
    expect(await one.tell({ do: 'put', about: 'late', tags: ['web'], startSeq })).toBe(false);
    expect(await one.tell({ do: 'put', about: 'other', tags: ['db'], startSeq })).toBe(true);
    expect(await two.tell({ do: 'look', about: 'late' })).toBe('missing');
  });

  test('go on when one is killed, and walk no store that the other has open', async () => {
    const dir = temporary();
    const [one, two] = await Promise.all([openIn(dir), openIn(dir)]);
    await one.tell({ do: 'put', about: 'a' });
    await one.kill();
    expect(await two.tell({ do: 'put', about: 'b' })).toBe(true);
    const three = await openIn(dir);
    for (const about of ['a', 'b']) expect(await three.tell({ do: 'look', about })).toBe('right');
    const left = readFileSync(join(dir, 'closed'), 'utf8');
    await openIn(dir);
    expect(readFileSync(join(dir, 'closed'), 'utf8')).toBe(left);
  });
});

test('a process that is killed while it writes holds up nobody', async () => {
  const dir = temporary();
  const other = await openIn(dir);
  for (let round = 0; round < (process.env.KEYLANE_LONG ? 30 : 3); round++) {
    const writer = await openIn(dir);
    const start = (await other.tell({ do: 'stats' })) as { entries: number };
    const killed = writer.tell({ do: 'churn', id: round, rounds: 1_000_000 }).catch(() => 'killed');
    await until(async () => ((await other.tell({ do: 'stats' })) as { entries: number }).entries > start.entries + 5);
    await writer.kill();
    expect(await killed).toBe('killed');
    expect(await other.tell({ do: 'put', about: `after-${round}` })).toBe(true);
    expect(await other.tell({ do: 'look', about: `after-${round}` })).toBe('right');
  }
});

describe('twenty processes with one cache', () => {
  test('put and look at once without a wrong answer, a lost one, or a wrong count', async () => {
    const dir = temporary();
    const rounds = process.env.KEYLANE_LONG ? 500 : 30;
    const all = await Promise.all(Array.from({ length: PROCESSES }, () => openIn(dir)));
    const seen = await Promise.all(all.map((each, id) => each.tell({ do: 'churn', id, rounds })));
    for (const counts of seen as { right: number; wrong: number }[]) {
      expect(counts.wrong).toBe(0);
      // Its own, and the shared ones.
      expect(counts.right).toBeGreaterThanOrEqual(2 * rounds);
    }
    const [first] = all;
    const names = (await first!.tell({ do: 'list' })) as string[];
    expect(names).toHaveLength(PROCESSES * rounds + rounds);
    expect(await first!.tell({ do: 'stats' })).toMatchObject({ entries: names.length });
    await first!.tell({ do: 'invalidate', patterns: ['shared', 'of-*'] });
    expect(await all[1]!.tell({ do: 'stats' })).toMatchObject({ entries: 0, bytes: 0 });
    expect(new Set(await Promise.all(all.map((each) => each.end())))).toEqual(new Set([0]));
  });

  test('that come at once to a store which a crash left behind all open it, with what was in it', async () => {
    const dir = temporary();
    const dead = await openIn(dir);
    await dead.tell({ do: 'put', about: 'a' });
    await dead.kill();
    const all = await Promise.all(Array.from({ length: PROCESSES / 2 }, () => openIn(dir)));
    for (const each of all) expect(await each.tell({ do: 'look', about: 'a' })).toBe('right');
  });
});

describe('a damaged cache', () => {
  test('is set aside and made anew, told once', async () => {
    const dir = temporary();
    const one = await openIn(dir);
    await one.tell({ do: 'put', about: 'a' });
    await one.end();
    truncateSync(join(dir, 'data.mdb'), 9_000);
    const two = await processWith(dir);
    expect(await two.heard()).toEqual({ aside: `${dir}.damaged`, code: 'ERR_STORE_CORRUPT' });
    expect(await two.heard()).toBe('open');
    expect(await two.tell({ do: 'look', about: 'a' })).toBe('missing');
    expect(await two.tell({ do: 'put', about: 'a' })).toBe(true);
    const three = await openIn(dir);
    expect(await three.tell({ do: 'look', about: 'a' })).toBe('right');
  });

  test('is set aside once by all who come at once, and they share the new one', async () => {
    const dir = temporary();
    const one = await openIn(dir);
    await one.tell({ do: 'put', about: 'a' });
    await one.end();
    truncateSync(join(dir, 'data.mdb'), 9_000);
    const all = await Promise.all(Array.from({ length: 6 }, () => processWith(dir)));
    const heard = await Promise.all(
      all.map(async (each) => {
        const first = await each.heard();
        return first === 'open' ? [] : [first, await each.heard()];
      }),
    );
    expect(heard.filter((lines) => lines.length > 0)).toEqual([
      [{ aside: `${dir}.damaged`, code: 'ERR_STORE_CORRUPT' }, 'open'],
    ]);
    expect(await all[0]!.tell({ do: 'put', about: 'b' })).toBe(true);
    for (const each of all) expect(await each.tell({ do: 'look', about: 'b' })).toBe('right');
  });
});
