import { BadEntry } from './mistakes.js';

/**
 * A line of hosts as Ansible splits it, by the rules of Python's `shlex` in POSIX mode (Python library reference, "shlex",
 * parsing rules): quotes of both kinds may stand within a word, a backslash keeps the next character, within double quotes
 * only `"` and itself. `#` begins a comment wherever it is not quoted: in the middle of a word too.
 */
export function splitShellWords(line: string): string[] {
  // Nearly all lines; ten times as fast.
  if (!/[\\'"#]/.test(line)) return line.split(/[ \t]+/).filter((word) => word !== '');
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!;
    if (quote !== '') {
      if (char === quote) quote = '';
      else if (char === '\\' && quote === '"') {
        const next = line[++at];
        if (next === undefined) break;
        word += next === '"' || next === '\\' ? next : `\\${next}`;
      } else word += char;
    } else if (char === ' ' || char === '\t') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === '#') break;
    else if (char === '\\') {
      if (++at >= line.length) throw new BadEntry('expected a character behind the last "\\"');
      word = (word ?? '') + line[at]!;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else word = (word ?? '') + char;
  }
  if (quote !== '') throw new BadEntry(`expected the ${quote === '"' ? 'double' : 'single'} quote to be closed`);
  if (word !== undefined) words.push(word);
  return words;
}
