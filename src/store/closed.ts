import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootId } from '../util/owner.js';
import { DATA_FILE } from './environment.js';
import { readText } from './files.js';

const FILE = 'closed';

/** The data file, as far as a look from outside tells. */
export interface Look {
  readonly size: number;
  /** Of the last change, in nanoseconds. */
  readonly changed: string;
  /** Of the machine: what is not flushed may be lost with it, and the file look the same. */
  readonly boot: string;
}

/** How the data file looks now. */
export function lookAt(dir: string): Look {
  const { size, mtimeNs } = statSync(join(dir, DATA_FILE), { bigint: true });
  return { size: Number(size), changed: String(mtimeNs), boot: bootId() };
}

export function looksSame(a: Look, b: Look, durable: boolean): boolean {
  return a.size === b.size && a.changed === b.changed && (durable || a.boot === b.boot);
}

/** How the last who closed it, or walked it, left it. Undefined where nobody did. */
export function leftAs(dir: string): Look | undefined {
  const text = readText(join(dir, FILE));
  if (text === undefined) return undefined;
  try {
    const { size, changed, boot } = JSON.parse(text) as Partial<Look>;
    if (typeof size !== 'number' || typeof changed !== 'string' || typeof boot !== 'string') return undefined;
    return { size, changed, boot };
  } catch {
    return undefined;
  }
}

/** Notes how it looks. Two who close at once may note what was before: then it is walked once more than needed. */
export function noteLeft(dir: string, look: Look): void {
  const draft = join(dir, `.${FILE}.${process.pid}`);
  try {
    writeFileSync(draft, JSON.stringify(look), { mode: 0o600 });
    renameSync(draft, join(dir, FILE));
  } finally {
    rmSync(draft, { force: true });
  }
}
