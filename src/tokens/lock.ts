import { link, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KeylaneError } from '../errors.js';
import type { Clock } from '../util/clock.js';
import { isAlive, newOwner, type Owner, readOwner } from '../util/owner.js';
import { pause } from './aborts.js';

/** How long a caller waits for another process; its own work is 10 s of the server at most, and 30 s where a command gives a secret. */
const WAIT_MS = 45_000;
/** Between two looks, half of it at random. */
const LOOK_MS = 20;
/** An owner of whom nothing can be known (another container) is given up after this; nobody works for that long. */
const UNKNOWN_MS = 120_000;
const LEFTOVER_MS = 3_600_000;

export interface LockTools {
  clock: Clock;
  random: () => number;
  signal: AbortSignal;
}

/**
 * A lock over processes that the death of its owner opens. A file says who holds it: it is linked to its name when it is
 * complete, so nobody reads half of one, and only one of many can make the link.
 *
 *     F             held by the owner that is written in it
 *     F.after.<id>  who comes after the dead owner <id>
 *
 * A dead owner's file is not simply removed: two that find it dead at once would remove one another's. Who takes over from
 * X first links F.after.X (one of many can, as above), then looks whether F still says X, and only then renames its own
 * file over F and removes F.after.X. No two owners have the same id. So whoever links F.after.X later than that finds
 * another owner in F, and knows that it was late. A dead heir has an heir in the same way.
 */
export class Lock {
  readonly #path: string;
  readonly #owner: Owner;

  private constructor(path: string, owner: Owner) {
    this.#path = path;
    this.#owner = owner;
  }

  /** Rejects with `ERR_TOKEN` if another process holds it for too long, with the file's error if it cannot be made. */
  static async take(path: string, { clock, random, signal }: LockTools): Promise<Lock> {
    const owner = newOwner();
    const draft = `${path}.${owner.id}`;
    const until = clock.now() + WAIT_MS;
    await writeFile(draft, JSON.stringify(owner), { flag: 'wx', mode: 0o600 });
    try {
      for (;;) {
        const seen = await tryTake(path, draft, owner);
        if (seen === 'taken') return new Lock(path, owner);
        signal.throwIfAborted();
        if (seen === 'changed') continue;
        if (clock.now() >= until) throw tooLong(path, seen);
        await pause(clock, LOOK_MS * (0.5 + random() / 2), signal);
      }
    } finally {
      await unlink(draft).catch(() => undefined);
    }
  }

  /** Never rejects: what cannot be removed is taken over when this process has ended. */
  async release(): Promise<void> {
    const holder = await ownerIn(this.#path).catch(() => undefined);
    if (holder?.id === this.#owner.id) await unlink(this.#path).catch(() => undefined);
  }
}

/** `taken` by us; or who has it; or `changed` while we looked, so that another look is due. */
async function tryTake(path: string, draft: string, mine: Owner): Promise<'taken' | 'changed' | Owner> {
  if (await linked(draft, path)) return 'taken';
  const first = await ownerIn(path);
  if (!first) return 'changed';
  const heirs: string[] = [];
  for (let last = first; ; ) {
    if (await holds(last, heirs.at(-1) ?? path)) return last;
    const heir = `${path}.after.${last.id}`;
    heirs.push(heir);
    if (await linked(draft, heir)) break;
    const next = await ownerIn(heir);
    if (!next) return 'changed';
    last = next;
  }
  let isOurs = false;
  try {
    if ((await ownerIn(path))?.id !== first.id) return 'changed';
    // Renaming one name of a file to another name of the same file does nothing (rename(2)), but F is another file.
    await rename(draft, path);
    isOurs = true;
  } finally {
    // An heir that is alive and takes nothing over would keep all others out.
    if (!isOurs) await unlink(heirs.at(-1) as string).catch(() => undefined);
  }
  for (const heir of heirs) await unlink(heir).catch(() => undefined);
  await sweep(path, mine);
  return 'taken';
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined where there is none, or no file. */
async function ownerIn(path: string): Promise<Owner | undefined> {
  try {
    // What is no owner's file is held by nobody whom one could ask: it counts as an unknown one's, by its age.
    return readOwner(await readFile(path, 'utf8')) ?? NOBODY;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    // Another user's: somebody has it.
    if (code === 'EACCES') return NOBODY;
    throw error;
  }
}

const NOBODY: Owner = { id: '00000000-0000-0000-0000-000000000000', pid: 0, start: '', where: 'nowhere' };

async function holds(owner: Owner, file: string): Promise<boolean> {
  const alive = isAlive(owner);
  if (alive !== undefined) return alive;
  const found = await stat(file).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs < UNKNOWN_MS;
}

/** What those left behind who were killed while they waited. */
async function sweep(path: string, mine: Owner): Promise<void> {
  const folder = dirname(path);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(path)}.`) || name.endsWith(mine.id)) continue;
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > LEFTOVER_MS) await unlink(join(folder, name)).catch(() => undefined);
  }
}

function tooLong(path: string, owner: Owner): KeylaneError {
  const text = `another process (pid ${owner.pid}) has been asking for a token for ${WAIT_MS / 1000} s; its lock is ${path}`;
  return new KeylaneError('ERR_TOKEN', text);
}
