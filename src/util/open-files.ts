import { readFileSync } from 'node:fs';

/** How many descriptors this process may have open (its soft limit); Infinity where that cannot be known or has no bound. */
export function openFilesLimit(read: () => string = readLimits): number {
  let text: string;
  try {
    text = read();
  } catch {
    // Not Linux. Node sets the soft limit to the hard one at its start, and reads neither for us.
    return Number.POSITIVE_INFINITY;
  }
  const soft = /^Max open files\s+(\S+)/m.exec(text)?.[1];
  const limit = Number(soft);
  return soft !== undefined && Number.isInteger(limit) && limit > 0 ? limit : Number.POSITIVE_INFINITY;
}

function readLimits(): string {
  return readFileSync('/proc/self/limits', 'utf8');
}
