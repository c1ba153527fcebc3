import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { openBatches } from 'keylane';
import { describe, expect, test } from 'vitest';
import { JOURNAL_PROGRAM, journalProcess, temporaryDataDir } from '../support/journal-process.ts';

/** Fills a journal on a disk of 8 MB, makes room, and fills it again. Whoever is asked last says what is there. */
const ON_SMALL_DISK = `
  mount -t tmpfs -o size=8m,mode=700 tmpfs "$1" && cd / && head -c 3000000 /dev/zero > "$1/other"
  "$2" "$3" "$1" fill && rm "$1/other" && "$2" "$3" "$1" fill resume && mount -o remount,size=16m "$1" && "$2" "$3" "$1" hold resume < /dev/null`;
const LIMITED = 'ulimit -f 4000; exec "$2" "$3" "$1" fill';
/** Every flush of the store fails from the 20th on. */
const FAILING =
  'exec strace -f -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:error=EIO:when=20+ "$2" "$3" "$1" fill';

const mayMount = spawnSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs tmpfs /mnt']).status === 0;
const mayTrace = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status === 0;

interface Filled {
  acked: number;
  code: string;
  message: string;
  late: string;
}

/** What the programs of the script say, one after the other. */
async function scripted(script: string, dataDir: string, ...before: string[]): Promise<Filled[]> {
  const [file = 'sh', ...args] = [...before, 'sh', '-c', script, 'sh', dataDir, process.execPath, JOURNAL_PROGRAM];
  const { stdout } = await promisify(execFile)(file, args, { timeout: 50_000 });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Filled);
}

/** All that was acknowledged, and nothing twice. What was written with the last, refused commit may be there, too. */
async function expectThere(dataDir: string, acked: number): Promise<void> {
  const there = new Set<number>();
  let lines = 0;
  for await (const { index } of openBatches({ dataDir }).results('b1')) {
    there.add(index);
    lines++;
  }
  expect(there.size).toBe(lines);
  for (let index = 0; index < acked; index++) expect(there.has(index)).toBe(true);
  const again = journalProcess(dataDir, 'hold', 'resume');
  expect((await again.says())?.settled).toBe(lines);
  await again.end();
}

describe('a journal whose disk is full (R6)', () => {
  test.runIf(mayMount)('acknowledges no more, loses nothing, and goes on when there is room', async () => {
    const said = await scripted(ON_SMALL_DISK, temporaryDataDir(), 'unshare', '-m');
    const [first, second, third] = said as [Filled, Filled, { settled: number }];
    expect(first).toMatchObject({ code: 'ERR_STORE_FULL', late: 'ERR_STORE_FULL' });
    expect(first.message).toContain('make room');
    expect(first.acked).toBeGreaterThan(500);
    expect(second.code).toBe('ERR_STORE_FULL');
    expect(second.acked).toBeGreaterThan(first.acked + 500);
    expect(third.settled).toBeGreaterThanOrEqual(second.acked);
  });

  test('ends so where a file may not grow longer, too: no signal ends the process', async () => {
    const dataDir = temporaryDataDir();
    const [filled] = (await scripted(LIMITED, dataDir)) as [Filled];
    expect(filled).toMatchObject({ code: 'ERR_STORE_FULL', late: 'ERR_STORE_FULL' });
    expect(filled.message).toContain('ulimit -f');
    expect(filled.acked).toBeGreaterThan(500);
    await expectThere(dataDir, filled.acked);
  });
});

test.runIf(mayTrace)('a flush that fails is the last: nothing is acknowledged with it or after it (R6)', async () => {
  const dataDir = temporaryDataDir();
  const [filled] = (await scripted(FAILING, dataDir)) as [Filled];
  expect(filled.code).toBe(filled.late);
  expect(filled.message).toContain('nput/output error');
  expect(filled.acked).toBeGreaterThan(100);
  await expectThere(dataDir, filled.acked);
});
