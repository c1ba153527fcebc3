import { closeSync, openSync, readSync, type Stats } from 'node:fs';
import { posix } from 'node:path';
import { expandGlob } from './glob.js';
import { parseLine } from './line.js';
import { badFile, mistake, unsupported } from './mistakes.js';
import { refuseForeign } from './owners.js';
import type { Condition, Directive, Line, Place, SshConfigFile } from './types.js';
import type { Watch } from './watch.js';

/** Directives that stand or fall together. */
export interface Block {
  /** The line that opens it; undefined at the start of a file and after an Include, where it goes on as `within`. */
  readonly condition: Condition | undefined;
  /** The block around it, without which it is never in force; −1 for none. Always before it. */
  readonly within: number;
  readonly directives: readonly Directive[];
}

/** All files, Includes put in place, in the order in which ssh reads them. */
export interface Program {
  readonly blocks: readonly Block[];
  /** Lines with a keyword that nobody knows, and how many IgnoreUnknown lines stand in front of each. */
  readonly unknown: readonly {
    readonly keyword: string;
    readonly place: Place;
    readonly after: number;
  }[];
  /** The IgnoreUnknown lines, counted from 0. */
  readonly ignoring: ReadonlyMap<Directive, number>;
  /** ssh obeys these two wherever they stand: the first SyslogFacility and the last StreamLocalBindMask. */
  readonly always: ReadonlyMap<string, Directive>;
}

/** ssh refuses deeper Includes. */
const DEEPEST = 16;
/** A file, and all files together, each as often as it is included: 16 levels of two Includes are 65,536 files. */
const LARGEST = 1024 * 1024;
const LARGEST_SUM = 4 * 1024 * 1024;
const MOST_FILES = 1_000;

/**
 * Reads the files, and every file that they include whoever asks: an Include counts in blocks that are not in force
 * too, for its syntax does.
 *
 * @throws KeylaneError `ERR_CONFIG`, `ERR_CONFIG_UNSUPPORTED`
 */
export function loadProgram(files: readonly SshConfigFile[], home: string, watch: Watch): Program {
  const loader = new Loader(home, watch);
  for (const file of files) loader.file(file);
  return loader;
}

class Loader implements Program {
  readonly blocks: (Block & { directives: Directive[] })[] = [];
  readonly unknown: { keyword: string; place: Place; after: number }[] = [];
  readonly ignoring = new Map<Directive, number>();
  readonly always = new Map<string, Directive>();
  readonly #home: string;
  readonly #watch: Watch;
  #bytes = 0;
  #files = 0;

  constructor(home: string, watch: Watch) {
    this.#home = home;
    this.#watch = watch;
  }

  file({ path, from }: SshConfigFile): void {
    const text = this.#read(path, from === 'user', from === 'flag');
    if (text !== undefined) this.#lines(text, path, from !== 'system', -1, [path]);
  }

  #lines(text: string, file: string, ofUser: boolean, around: number, stack: readonly string[]): void {
    let block = this.#open(undefined, around);
    let number = 0;
    for (const line of text.split('\n')) {
      const place = { file, line: ++number };
      const parsed = parseLine(line, place, ofUser);
      if (parsed === undefined) continue;
      if (parsed.kind === 'condition') block = this.#open(parsed.condition, around);
      else if (parsed.kind === 'include') {
        this.#include(parsed.paths, place, ofUser, block, stack);
        block = this.#open(undefined, block);
      } else this.#add(parsed, block);
    }
  }

  #open(condition: Condition | undefined, within: number): number {
    const last = this.blocks.at(-1);
    // Nothing joins it any more. A list that has grown one by one keeps room for 17, which most blocks never need.
    if (last !== undefined) last.directives = last.directives.slice();
    return this.blocks.push({ condition, within, directives: [] }) - 1;
  }

  #add(line: Extract<Line, { kind: 'directives' | 'unknown' }>, block: number): void {
    if (line.kind === 'unknown') {
      this.unknown.push({ keyword: line.keyword, place: line.place, after: this.ignoring.size });
      return;
    }
    for (const directive of line.directives) {
      const { keyword } = directive;
      if (keyword === 'streamlocalbindmask') this.always.set(keyword, directive);
      else if (keyword === 'syslogfacility') this.always.set(keyword, this.always.get(keyword) ?? directive);
      else this.blocks[block]!.directives.push(directive);
      if (keyword === 'ignoreunknown') this.ignoring.set(directive, this.ignoring.size);
    }
  }

  #include(paths: readonly string[], place: Place, ofUser: boolean, block: number, stack: readonly string[]): void {
    for (const written of paths) {
      for (const path of expandGlob(this.#anchor(written, place, ofUser), this.#watch)) {
        if (stack.includes(path)) throw mistake(place, 'Include', `${path} includes itself`);
        if (stack.length > DEEPEST) throw mistake(place, 'Include', `files are nested deeper than ${DEEPEST}`);
        const text = this.#read(path, true, true);
        if (text !== undefined) this.#lines(text, path, ofUser, block, [...stack, path]);
      }
    }
  }

  #anchor(path: string, place: Place, ofUser: boolean): string {
    if (/%(?!%)|\$\{/.test(path))
      throw unsupported(place, 'Include', `"${path}": tokens in a path are not expanded; write it out`);
    if (path.startsWith('~')) {
      if (!ofUser)
        throw mistake(place, 'Include', `"${path}": a file of the system cannot name a home; write the path`);
      if (path === '~' || path.startsWith('~/')) return `${this.#home}${path.slice(1)}`;
      throw unsupported(place, 'Include', `"${path}": homes of other users are not looked up; write the path`);
    }
    if (path.startsWith('/')) return path;
    return ofUser ? posix.join(this.#home, '.ssh', path) : `/etc/ssh/${path}`;
  }

  /** The text of a file; undefined where there is nothing to read and there need not be. */
  #read(path: string, guarded: boolean, required: boolean): string | undefined {
    const stats = this.#watch.note(path);
    if (stats === undefined) {
      if (required) throw badFile(path, 'there is no such file, or it may not be read');
      return undefined;
    }
    if (guarded) refuseForeign(path, stats);
    // To ssh a folder is a file without lines.
    if (stats.isDirectory()) return undefined;
    if (!stats.isFile() && !stats.isCharacterDevice()) throw badFile(path, 'it is no file');
    if (++this.#files > MOST_FILES) throw badFile(path, `more than ${MOST_FILES} files are included`);
    const text = readText(path, stats, required);
    this.#bytes += text?.length ?? 0;
    if (this.#bytes > LARGEST_SUM) throw badFile(path, `all files together have more than ${LARGEST_SUM} bytes`);
    return text;
  }
}

function readText(path: string, stats: Stats, required: boolean): string | undefined {
  const buffer = Buffer.allocUnsafe((stats.isFile() ? Math.min(stats.size, LARGEST) : LARGEST) + 1);
  let size = 0;
  try {
    const file = openSync(path, 'r');
    try {
      for (let got = -1; got !== 0 && size < buffer.length; size += got)
        got = readSync(file, buffer, size, buffer.length - size, null);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    // ssh goes on without a file that it may not read, unless it was named.
    if (!required) return undefined;
    throw badFile(path, `it cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  if (size > LARGEST) throw badFile(path, `it has more than ${LARGEST} bytes`);
  return buffer.toString('utf8', 0, size);
}
