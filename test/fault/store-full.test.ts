import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../support/programs/disk-full.mjs', import.meta.url));
/** Mounts a disk of 2 MB that is gone with the process. */
const ON_SMALL_DISK = 'mount -t tmpfs -o size=2m,mode=700 tmpfs "$1" && cd / && exec "$2" "$3" "$1" "$4"';

const mayMount = spawnSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs tmpfs /mnt']).status === 0;

/** What the program says, on a disk of its own of 2 MB. */
async function onSmallDisk(what: string): Promise<unknown> {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-full-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const args = ['-m', 'sh', '-c', ON_SMALL_DISK, 'sh', dir, process.execPath, PROGRAM, what];
  const { stdout } = await promisify(execFile)('unshare', args, { timeout: 50_000 });
  return JSON.parse(stdout);
}

describe.runIf(mayMount)('a full disk', () => {
  test('rejects what is put into a store, and leaves it what it has', async () => {
    expect(await onSmallDisk('store')).toEqual({ codes: ['ERR_STORE_FULL'], first: 'kept' });
  });

  test('fails no request whose answer was to be kept, and is told once (C31)', async () => {
    const events = [{ type: 'cache_failed', message: expect.stringContaining('ERR_STORE_FULL') }];
    expect(await onSmallDisk('cache')).toEqual({ ok: 60, events });
  });

  test('refuses who comes when it is full already', async () => {
    expect(await onSmallDisk('lock')).toMatchObject({
      code: 'ERR_STORE_FULL',
      message: expect.stringContaining('room'),
    });
  });
});
