import type { SshRequest } from '../ssh-types.js';

/**
 * One line for a login shell that gives a program exactly these words. Which shell it is nobody knows before the line is
 * there, so without `shell` the line is exact in every POSIX shell (sh, dash, bash, zsh, ksh, mksh, busybox), in fish and
 * in csh and tcsh. Told that the shell is POSIX, it is shorter where a word holds a newline.
 *
 * PowerShell and cmd have rules of their own, which this is not for: the schema refuses them by name.
 */
export function commandLine(words: readonly string[], shell?: SshRequest['shell']): string {
  const line = quoteArgv(words);
  if (shell === 'posix') return line;
  return line.includes('\n') || FISH_WORDS.has(words[0] as string) ? scriptLine(line) : line;
}

/**
 * One line for any of those login shells that runs a script of sh. The line holds no newline, for csh takes each line as
 * a command of its own even within quotes: it says `Unmatched '` and runs the next line, which may be part of a word.
 */
export function scriptLine(script: string): string {
  if (!script.includes('\n')) return `exec sh -c ${quote(script)}`;
  const escaped = script.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return `exec sh -c 'eval "$(printf %b "$1")"' sh ${quote(escaped)}`;
}

/**
 * The words for a place within a script of sh. Every character is quoted: so no word can be an assignment, a reserved
 * word, an alias or a pattern, and there is no list of safe characters to get wrong. (POSIX.1-2017, Shell 2.2.) What
 * stands between single quotes means the same in POSIX shells, fish and csh, but for three characters: a quote ends it,
 * fish takes \ before a quote or another \ for an escape, and csh puts its history in place of !. These three have a \ of
 * their own, outside of quotes, which all of them read alike.
 *
 * Throws where a word holds NUL, which no program can be given.
 */
export function quoteArgv(words: readonly string[]): string {
  return words.map(quote).join(' ');
}

/** What fish takes for its own syntax even in quotes, where the other shells look for a program of that name. */
const FISH_WORDS = new Set(
  'and begin builtin case command else end for function if in not or switch time while'.split(' '),
);

function quote(word: string): string {
  if (word.includes('\0')) throw new TypeError('a word holds NUL, which no program can be given');
  if (word === '') return "''";
  return word.replace(/['\\!]|[^'\\!]+/g, (part) => (/['\\!]/.test(part) ? `\\${part}` : `'${part}'`));
}
