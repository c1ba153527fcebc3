import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { KeylaneError } from '../errors.js';

/** A file that counts, and what tells that it is still the same. */
export interface FoundFile {
  /** `project`: found upwards from the folder; `user`: in the user's own configuration; `named`: asked for by name. */
  kind: 'project' | 'user' | 'named';
  file: string;
  stamp: string;
  /** When it was last changed, by the wall clock; 0 if it is not there. */
  changedMs: number;
}

/** Where to look. */
export interface Surroundings {
  cwd: string;
  home: string;
  /** $XDG_CONFIG_HOME */
  configHome: string | undefined;
  /** One file instead of those that are found; `none` for none at all. */
  named: string | undefined;
}

const NAME = 'keylane.yaml';
const MOST_BYTES = 4 * 1024 * 1024;

/** The files that count now, the one that weighs least first. Only looks at names and times: microseconds. */
export function findFiles({ cwd, home, configHome, named }: Surroundings): FoundFile[] {
  if (named === 'none') return [];
  if (named !== undefined) {
    const file = resolve(cwd, named);
    return [{ kind: 'named', file, ...(looksOf(file) ?? { stamp: 'missing', changedMs: 0 }) }];
  }
  const found: FoundFile[] = [];
  const project = projectFile(cwd, home);
  if (project) found.push(project);
  const file = userFile(home, configHome);
  const looks = file === project?.file ? undefined : looksOf(file);
  if (looks) found.push({ kind: 'user', file, ...looks });
  return found;
}

/** The user's own file, whether it is there or not. A relative $XDG_CONFIG_HOME is to be ignored, says its specification. */
export function userFile(home: string, configHome: string | undefined): string {
  const folder = configHome !== undefined && isAbsolute(configHome) ? configHome : join(home, '.config');
  return join(folder, 'keylane', NAME);
}

/** The nearest one from the folder upwards; not above the user's home, nor above the root of a git repository. */
function projectFile(cwd: string, home: string): FoundFile | undefined {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const file = join(folder, NAME);
    const looks = looksOf(file);
    if (looks) return { kind: 'project', file, ...looks };
    const last = folder === home || dirname(folder) === folder || statOf(join(folder, '.git')) !== undefined;
    if (last) return undefined;
  }
}

/**
 * The text of a file, and whether it is somebody else's. Throws `ERR_CONFIG` for one that is not to be trusted, or is no
 * text.
 */
export function readFile({ kind, file }: FoundFile): { text: string; foreign: boolean } {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new KeylaneError('ERR_CONFIG', `${file}: ${problem}`, cause === undefined ? {} : { cause });
  };
  let fd = -1;
  try {
    // A pipe under this name must not hold us up.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    refuse(`cannot be read: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`, cause);
  }
  try {
    const about = fstatSync(fd);
    const problem = problemOf(about, kind);
    if (problem !== undefined) refuse(problem);
    const text = textOf(fd, about.size) ?? refuse('is not UTF-8; save it as UTF-8');
    return { text, foreign: isForeign(about) };
  } finally {
    closeSync(fd);
  }
}

function problemOf(about: Stats, kind: FoundFile['kind']): string | undefined {
  if (!about.isFile()) return 'is not a file';
  if (about.size > MOST_BYTES) return `has ${about.size} bytes; at most ${MOST_BYTES} are read`;
  // A group that has the number of its only user is how Debian and Red Hat make users: it is nobody else.
  const groupMayWrite = (about.mode & 0o020) !== 0 && about.gid !== about.uid;
  if ((about.mode & 0o002) !== 0 || groupMayWrite)
    return 'may be written by others than its owner, who could have us run what they like; chmod go-w it';
  if (kind !== 'named' && isForeign(about))
    return 'belongs to another user; if it is to count, name it (--config, KEYLANE_CONFIG)';
  return undefined;
}

/** Neither ours nor root's. */
function isForeign({ uid }: Stats): boolean {
  const us = process.getuid?.();
  return us !== undefined && uid !== us && uid !== 0;
}

function textOf(fd: number, size: number): string | undefined {
  const bytes = Buffer.alloc(size);
  let length = 0;
  while (length < size) {
    const read = readSync(fd, bytes, length, size - length, null);
    if (read === 0) break;
    length += read;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length));
  } catch {
    return undefined;
  }
}

/** Whatever is written anew has another stamp: ctime is nobody's to set. Undefined where there is no such file. */
function looksOf(file: string): { stamp: string; changedMs: number } | undefined {
  const about = statOf(file);
  if (!about) return undefined;
  const { dev, ino, size, mode, mtimeNs, ctimeNs } = about;
  return { stamp: [dev, ino, size, mode, mtimeNs, ctimeNs].join('.'), changedMs: Number(about.ctimeMs) };
}

function statOf(file: string) {
  try {
    return statSync(file, { bigint: true, throwIfNoEntry: false });
  } catch {
    // A folder that we may not look into.
    return undefined;
  }
}
