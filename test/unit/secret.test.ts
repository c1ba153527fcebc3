import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { secretReader } from '../../src/host/secret.ts';
import { systemClock } from '../../src/util/clock.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';

const read = secretReader(true, systemClock);
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-secret-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

describe('a secret that a command prints', () => {
  it('is what it prints without the last line end', async () => {
    expect(await read("cmd:printf 'a b\\n'")).toBe('a b');
    expect(await read("cmd:printf 'a\\n\\n'")).toBe('a\n');
    expect(await read('cmd:true')).toBe('');
  });

  it('is refused where commands are not allowed, and nothing is run', async () => {
    const strict = secretReader(false, systemClock);
    await expect(strict(`cmd:touch ${dir}/ran`)).rejects.toMatchObject({
      code: 'ERR_INPUT',
      message: expect.stringContaining('allowCommands: true'),
    });
    expect(() => readFileSync(join(dir, 'ran'))).toThrow('ENOENT');
    vi.stubEnv('KEYLANE_TEST', 'x');
    expect(await strict('env:KEYLANE_TEST')).toBe('x');
  });

  it.each([
    ['printf secret; exit 3', 'the command ended with status 3'],
    ['printf secret; kill -9 $$', 'the command ended with SIGKILL'],
    ['head -c 70000 /dev/zero', 'the command prints more than 65,536 bytes'],
  ])('is none where the command fails (%s), and what it printed is not told', async (command, says) => {
    const failed = await read(`cmd:${command}`).catch((error: Error) => error);
    expect(failed).toMatchObject({ code: 'ERR_INPUT', message: `cmd:${command}: ${says}` });
  });

  it('is given up after 30 s, and all that the command has started is killed', async () => {
    const clock = new FakeClock();
    const mark = join(dir, 'pid');
    const reading = secretReader(true, clock)(`cmd:sleep 1000 & echo $! > '${mark}'; wait`);
    const failed = reading.catch((error: Error) => error);
    while (!readOr(mark).endsWith('\n')) await settled();
    clock.advance(30_000);
    expect(await failed).toMatchObject({ message: expect.stringContaining('has not ended after 30 s') });
    const pid = Number(readOr(mark));
    while (!isGone(pid)) await settled();
  });
});

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Dead, or waiting for somebody to notice. */
function isGone(pid: number): boolean {
  const stat = readOr(`/proc/${pid}/stat`);
  return stat === '' || /\) Z /.test(stat);
}

it('a file may be written between two readings: nothing is kept', async () => {
  const file = join(dir, 'token');
  writeFileSync(file, 'one\n');
  expect(await read(`file:${file}`)).toBe('one');
  writeFileSync(file, 'two\n');
  expect(await read(`file:${file}`)).toBe('two');
});
