import { readFileSync, type Stats } from 'node:fs';
import { badFile } from './mistakes.js';

/**
 * Whoever can write the file can run commands in our name. It has to belong to us or root, and nobody else may write
 * it. As in the ssh of Debian and Ubuntu, where each user has a group of his own and umask leaves it the right to write,
 * a group of nobody but us is not somebody else.
 */
export function refuseForeign(path: string, stats: Stats): void {
  const own = process.getuid?.() ?? 0;
  const isOurs = stats.uid === 0 || stats.uid === own;
  if (isOurs && (stats.mode & 0o002) === 0 && ((stats.mode & 0o020) === 0 || isOwnGroup(stats.gid, own))) return;
  throw badFile(
    path,
    "bad owner or permissions: it must be yours or root's, and nobody else may write it (chmod go-w)",
  );
}

/** Has the group one member, ourselves? By the system's files: what only a directory service knows is not private. */
function isOwnGroup(gid: number, own: number): boolean {
  const users = lines('/etc/passwd').filter(([, , , group]) => group === String(gid));
  const name = lines('/etc/passwd').find(([, , uid]) => uid === String(own))?.[0];
  const group = lines('/etc/group').find(([, , id]) => id === String(gid));
  if (group === undefined || name === undefined) return false;
  const members = (group[3] ?? '').split(',').filter((member) => member !== '');
  const all = new Set([...users.map(([user]) => user), ...members]);
  return all.size === 1 && all.has(name);
}

function lines(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
  } catch {
    return [];
  }
}
