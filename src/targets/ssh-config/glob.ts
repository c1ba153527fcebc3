import { readdirSync } from 'node:fs';
import { posix } from 'node:path';
import type { Watch } from './watch.js';

/**
 * The paths that exist under a pattern, in the order of their bytes: `*`, `?`, `[a-z]`, `[!a]`, and a backslash that
 * takes the next character as it is. A dot in front must be written. What was looked at goes into `watch`, so that a
 * file that appears later is seen.
 */
export function expandGlob(pattern: string, watch: Watch): string[] {
  // Only folders have a name that ends so, and a folder has no lines.
  if (pattern.endsWith('/') || pattern.length >= LONGEST) return [];
  const [first, ...segments] = pattern.split('/');
  let found = [first === '' ? '/' : first!];
  let isPlain = true;
  for (const segment of segments.filter((name) => name !== '')) {
    if (hasMagic(segment)) {
      found = found.flatMap((folder) => matching(folder, segment, watch));
      isPlain = false;
    } else found = found.map((folder) => posix.join(folder, segment.replace(/\\(.)/g, '$1')));
    // Behind a pattern, what does not exist is left out; else the only path is.
    if (!isPlain) found = found.filter((path) => watch.exists(path));
  }
  return isPlain ? found.filter((path) => watch.exists(path)) : found;
}

/** The system takes no longer path, and ssh no longer pattern. */
const LONGEST = 4096;

function hasMagic(segment: string): boolean {
  return /[*?[]/.test(segment.replace(/\\./g, ''));
}

function matching(folder: string, segment: string, watch: Watch): string[] {
  watch.note(folder);
  const parts = compile(segment);
  return names(folder)
    .filter((name) => (name.startsWith('.') ? segment.startsWith('.') : true) && matches(name, parts))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map((name) => posix.join(folder, name));
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

type Part = 'any run' | ((char: string) => boolean);

function compile(segment: string): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < segment.length; at++) {
    const char = segment[at]!;
    if (char === '*') parts.push('any run');
    else if (char === '?') parts.push(() => true);
    else if (char === '[' && classEnd(segment, at) > 0) {
      const end = classEnd(segment, at);
      parts.push(charClass(segment.slice(at + 1, end)));
      at = end;
    } else {
      const literal = char === '\\' && at + 1 < segment.length ? segment[++at]! : char;
      parts.push((other) => other === literal);
    }
  }
  return parts;
}

/** Where `]` ends the class; the first character of a class may be `]`. */
function classEnd(segment: string, from: number): number {
  const skip = segment[from + 1] === '!' ? 2 : 1;
  return segment.indexOf(']', from + skip + 1);
}

function charClass(body: string): (char: string) => boolean {
  const not = body.startsWith('!');
  const set = not ? body.slice(1) : body;
  return (char) => {
    let found = false;
    for (let at = 0; at < set.length; at++) {
      const isRange = set[at + 1] === '-' && at + 2 < set.length;
      found ||= isRange ? char >= set[at]! && char <= set[at + 2]! : char === set[at];
      if (isRange) at += 2;
    }
    return found !== not;
  };
}

/** As patterns.ts: goes back only to the last star. */
function matches(name: string, parts: readonly Part[]): boolean {
  let at = 0;
  let index = 0;
  let star = -1;
  let from = 0;
  while (at < name.length) {
    const part = parts[index];
    if (part === 'any run') {
      star = index++;
      from = at;
    } else if (part?.(name[at]!)) {
      index++;
      at++;
    } else if (star >= 0) {
      index = star + 1;
      at = ++from;
    } else return false;
  }
  while (parts[index] === 'any run') index++;
  return index === parts.length;
}
