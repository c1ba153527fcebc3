/**
 * One line for a POSIX shell (sh, dash, bash, zsh, busybox) that gives a program exactly these words. Every word is put
 * in single quotes, where nothing is special but the quote itself: so no word can be an assignment, a reserved word, an
 * alias or a pattern, and there is no list of safe characters to get wrong. (POSIX.1-2017, Shell 2.2.2.)
 *
 * Throws where a word holds NUL, which no program can be given.
 */
export function quoteArgv(words: readonly string[]): string {
  return words.map(quote).join(' ');
}

function quote(word: string): string {
  if (word.includes('\0')) throw new TypeError('a word holds NUL, which no program can be given');
  return `'${word.replaceAll("'", "'\\''")}'`;
}
