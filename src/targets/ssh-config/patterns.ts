import type { HostPatterns, PatternList } from './types.js';
import { lowerCase } from './words.js';

/** ssh matches no list that has an entry of this length or more. */
const LONGEST = 1023;

/**
 * One pattern: `*` is any text, `?` any one character, all else itself. Most patterns are a name, or one with a single
 * star at an end: those are a comparison.
 */
export function compilePattern(pattern: string): PatternList {
  const at = pattern.search(/[*?]/);
  if (at < 0) return (text) => text === pattern;
  if (/^\*+$/.test(pattern)) return () => true;
  const star = pattern.indexOf('*');
  if (!pattern.includes('?') && pattern.indexOf('*', star + 1) < 0) {
    const head = pattern.slice(0, star);
    const tail = pattern.slice(star + 1);
    if (tail === '') return (text) => text.startsWith(head);
    return (text) => text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail);
  }
  return (text) => matchWild(text, pattern);
}

/** A comma-separated list with `!` negation: does any match, and no negated one? */
export function compileList(list: string, lower: boolean): PatternList {
  const entries: { not: boolean; matches: PatternList }[] = [];
  let tooLong = false;
  for (const entry of (lower ? lowerCase(list) : list).split(',')) {
    const not = entry.startsWith('!');
    const pattern = not ? entry.slice(1) : entry;
    // What comes before an entry that is too long still counts.
    if (pattern.length >= LONGEST) {
      tooLong = true;
      break;
    }
    entries.push({ not, matches: compilePattern(pattern) });
  }
  // A comma at the end starts no entry.
  if (!tooLong && list.endsWith(',')) entries.pop();
  const [only] = entries;
  if (entries.length === 1 && only !== undefined && !only.not && !tooLong) return only.matches;
  return (text) => {
    let found = false;
    for (const { not, matches } of entries) {
      if (!matches(text)) continue;
      if (not) return false;
      found = true;
    }
    return found && !tooLong;
  };
}

/** The patterns of a Host line, each a word; a negated one that matches rules the block out. */
export function compileHost(words: readonly string[]): HostPatterns {
  const names = words.filter((word) => !word.startsWith('!'));
  const wild = names.some((name) => /[*?]/.test(name));
  const [only] = names;
  // Most lines: nothing is kept but the name. A line of 500,000 names has no function for each either.
  if (only !== undefined && words.length === 1)
    return { matches: compilePattern(only), names: wild ? undefined : names, plain: wild ? [] : names };
  const negated = words.filter((word) => word.startsWith('!')).map((word) => compilePattern(word.slice(1)));
  const positive = wild ? names.map(compilePattern) : undefined;
  const matches: PatternList = (host) => {
    if (negated.some((matches) => matches(host))) return false;
    return positive === undefined ? names.includes(host) : positive.some((matches) => matches(host));
  };
  return { matches, names: wild ? undefined : names, plain: wild ? names.filter((name) => !/[*?]/.test(name)) : names };
}

/**
 * Goes back only to the last star, for an earlier one can give nothing more: at most text × pattern steps, where the
 * obvious recursion needs exponentially many.
 */
function matchWild(text: string, pattern: string): boolean {
  let at = 0;
  let index = 0;
  let star = -1;
  let from = 0;
  while (at < text.length) {
    const char = pattern[index];
    if (char === '*') {
      star = index++;
      from = at;
    } else if (char !== undefined && (char === '?' || char === text[at])) {
      index++;
      at++;
    } else if (star >= 0) {
      index = star + 1;
      at = ++from;
    } else return false;
  }
  while (pattern[index] === '*') index++;
  return index === pattern.length;
}
