import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** What a command printed, and when. */
export interface Output {
  text: string;
  /** Milliseconds of the wall clock: processes have no other time in common. */
  storedAt: number;
}

const VERSION = 1;

/** In the memory of this process; of commands there are few. */
const kept = new Map<string, Output>();
const MOST_KEPT = 100;

/** The name of what a command prints in a folder: the same words mean the same, nothing else does. */
export function outputKey(command: readonly string[], cwd: string): string {
  return createHash('sha256')
    .update(JSON.stringify([VERSION, command, cwd]))
    .digest('hex');
}

/** What a command printed last, as far as anybody knows: this process, else any other with this folder. */
export async function keptOutput(key: string, folder: string | undefined): Promise<Output | undefined> {
  const ours = kept.get(key);
  const theirs = folder === undefined ? undefined : await readKept(join(folder, `${key}.json`));
  return ours !== undefined && (theirs === undefined || theirs.storedAt <= ours.storedAt) ? ours : theirs;
}

/** Keeps an output that has been found good. Resolves with what went wrong on disk, which costs nothing but time. */
export async function keepOutput(key: string, output: Output, folder: string | undefined): Promise<string | undefined> {
  kept.delete(key);
  kept.set(key, output);
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value!);
  if (folder === undefined) return undefined;
  const unfinished = join(folder, `.${randomUUID()}`);
  try {
    const handle = await open(unfinished, 'wx', 0o600);
    try {
      const { text, storedAt } = output;
      await handle.writeFile(JSON.stringify({ version: VERSION, storedAt, sum: sumOf(text), text }));
    } finally {
      await handle.close();
    }
    await rename(unfinished, join(folder, `${key}.json`));
    return undefined;
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    return `${folder}: the output is not kept on disk: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
  }
}

/** What is not whole, not ours or not a file is not there. */
async function readKept(file: string): Promise<Output | undefined> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = await handle.stat();
      if (!stats.isFile() || stats.uid !== process.getuid?.() || (stats.mode & 0o022) !== 0) return undefined;
      const { version, storedAt, sum, text } = JSON.parse(await handle.readFile('utf8')) as Record<string, unknown>;
      if (version !== VERSION || typeof storedAt !== 'number' || typeof text !== 'string' || sum !== sumOf(text))
        return undefined;
      return { text, storedAt };
    } finally {
      await handle.close();
    }
  } catch {
    return undefined;
  }
}

function sumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
