import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KeylaneError } from '../errors.js';
import type { Clock } from '../util/clock.js';
import { isAlive, newOwner, readOwner } from '../util/owner.js';
import { type Look, leftAs, lookAt, looksSame, noteLeft } from './closed.js';
import { readText } from './files.js';
import { corrupt, storeError } from './trouble.js';
import type { Users } from './users.js';
import { WALK_EXIT } from './walk-exit.js';

export interface CheckOptions {
  durable: boolean;
  clock: Clock;
}

/** Longer than any walk of a store of this size: it reads some hundred megabytes a second. */
const WALK_MS = 30_000;
const WALK_MS_PER_MB = 50;
/** Between two looks at another process's walk. */
const LOOK_MS = 20;
const WALKING = 'walking';

/**
 * Resolves when the store may be opened: LMDB would end this process at a damaged page. So what was not closed cleanly, or
 * was changed since, is first walked by a child process. Rejects with `ERR_STORE_CORRUPT` if that finds damage.
 *
 *     looks as it was left ───────────────────────────────▶ trusted
 *     others have it open, nobody died with it open ──────▶ trusted: they have checked it
 *     else ── walked, by one process at a time ── whole ──▶ trusted, and noted as left so
 *                                              └─ damaged ▶ ERR_STORE_CORRUPT
 */
export async function checkStore(dir: string, users: Users, { durable, clock }: CheckOptions): Promise<void> {
  const until = clock.now() + walkMs(lookAt(dir));
  for (;;) {
    const { alive, dead } = users.look();
    const left = leftAs(dir);
    const look = lookAt(dir);
    if (isNew(look, left)) return;
    // Empty, it would pass for a new one.
    if (look.size === 0) throw corrupt(dir, 'its data file is empty');
    const clean = left !== undefined && looksSame(left, look, durable);
    if (clean || (alive > 0 && dead.length === 0)) {
      if (alive === 0) users.forget(dead);
      return;
    }
    const release = takeTurn(dir);
    if (release) {
      try {
        await walk(dir, look, durable);
        users.forget(dead);
        if (looksSame(lookAt(dir), look, true)) noteLeft(dir, look);
        return;
      } finally {
        release();
      }
    }
    if (clock.now() > until)
      throw new KeylaneError('ERR_STORE_BUSY', `another process has been walking ${dir} for long`);
    await new Promise<void>((resolve) => clock.timer(LOOK_MS, resolve));
  }
}

/** It was never written to, by whoever made it. */
function isNew(look: Look, left: Look | undefined): boolean {
  return look.size === 0 && left === undefined;
}

/**
 * One walks and the others wait, or all of twenty would walk at once. Two that find a dead one's file may both take their
 * turn: that costs a walk, no more. Undefined if it is another's turn.
 */
function takeTurn(dir: string): (() => void) | undefined {
  const file = join(dir, WALKING);
  const release = () => rmSync(file, { force: true });
  const me = newOwner();
  try {
    writeFileSync(file, JSON.stringify(me), { flag: 'wx', mode: 0o600 });
    return release;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const owner = readOwner(readText(file) ?? '');
  if (owner && isAlive(owner)) return undefined;
  release();
  return takeTurn(dir);
}

function walkMs({ size }: Look): number {
  return WALK_MS + Math.ceil((size / 1_048_576) * WALK_MS_PER_MB);
}

async function walk(dir: string, look: Look, durable: boolean): Promise<void> {
  const { status, signal, said, failed } = await runWalk(dir, durable, walkMs(look));
  if (status === WALK_EXIT.whole) return;
  if (failed) throw storeError(failed, dir);
  if (status === WALK_EXIT.unable)
    throw new KeylaneError('ERR_STORE_BUSY', `the store ${dir} cannot be walked: ${said}`);
  if (status === WALK_EXIT.damaged) throw corrupt(dir, said);
  if (signal === 'SIGKILL') throw corrupt(dir, 'reading it comes to no end');
  throw corrupt(dir, signal ? `reading it ends in ${signal}` : `reading it ends with status ${status}`);
}

interface Walked {
  status: number | null;
  signal: string | null;
  said: string;
  /** It could not be started. */
  failed?: Error;
}

function runWalk(dir: string, durable: boolean, timeout: number): Promise<Walked> {
  const program = fileURLToPath(new URL('./walk.js', import.meta.url));
  const args = [program, dir, durable ? 'durable' : 'disposable'];
  // Of the environment what a process needs to start: a core dump of it shall hold no secret, and lie with the store.
  const env = Object.fromEntries(['PATH', 'LD_LIBRARY_PATH', 'SYSTEMROOT'].map((name) => [name, process.env[name]]));
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      args,
      { cwd: dir, env, timeout, killSignal: 'SIGKILL' },
      (error, stdout) => {
        const failed = error && child.pid === undefined ? { failed: error } : {};
        resolve({ status: child.exitCode, signal: child.signalCode, said: stdout, ...failed });
      },
    );
  });
}
