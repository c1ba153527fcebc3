/**
 * Takes the keyword off a line: it ends at white space, at a quote, or at one `=`. Undefined where the line says
 * nothing: it is empty, a comment, or opens a quote in its keyword and never closes it (ssh skips such a line).
 */
export function splitKeyword(line: string): { keyword: string; rest: string | undefined } | undefined {
  const nul = line.indexOf('\0');
  const text = trimEnd(nul < 0 ? line : line.slice(0, nul));
  if (text === '') return undefined;
  let taken = take(text);
  // White space in front ends an empty word.
  if (taken?.word === '') taken = take(taken.rest);
  if (taken === undefined || taken.word === '' || taken.word.startsWith('#')) return undefined;
  const rest = taken.rest?.replace(/^[ \t\r\n]+/, '');
  return { keyword: lowerCase(taken.word), rest: rest === '' ? undefined : rest };
}

/**
 * The arguments of a line: words between spaces and tabs; quotes of both kinds keep spaces, and may stand within a
 * word; a backslash keeps a quote, a backslash and, outside quotes, a space, and is itself kept in front of all else.
 * `#` at the start of a word ends the line. Undefined where a quote is never closed.
 */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let at = 0;
  while (at < text.length) {
    if (isSpace(text[at])) {
      at++;
      continue;
    }
    if (text[at] === '#') break;
    const end = readWord(text, at, words);
    if (end === undefined) return undefined;
    at = end;
  }
  return words;
}

function readWord(text: string, from: number, words: string[]): number | undefined {
  let word = '';
  let quote = '';
  let at = from;
  for (; at < text.length; at++) {
    const char = text[at]!;
    if (char === '\\') {
      const next = text[at + 1];
      const escaped = next === "'" || next === '"' || next === '\\' || (quote === '' && next === ' ');
      word += escaped ? next : char;
      if (escaped) at++;
    } else if (quote === '' && isSpace(char)) break;
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
    else word += char;
  }
  if (quote !== '') return undefined;
  words.push(word);
  return at;
}

/** The words of a Match line as old versions split it: at white space and at `=`, with double quotes. Undefined where one is not closed. */
export function splitOldWords(text: string): string[] | undefined {
  const words: string[] = [];
  for (let rest: string | undefined = text; rest !== undefined && rest !== ''; ) {
    const taken = take(rest);
    if (taken === undefined) return undefined;
    // An empty word ends the line.
    if (taken.word === '') break;
    words.push(taken.word);
    rest = taken.rest;
  }
  return words;
}

/** ASCII only: no other letter may turn into a keyword or a host. */
export function lowerCase(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text;
}

/** One word and what follows it; the word may be empty. Undefined where a quote is not closed, or nothing is left. */
function take(text: string | undefined): { word: string; rest: string | undefined } | undefined {
  if (text === undefined) return undefined;
  const at = text.search(/[ \t\r\n"=]/);
  if (at < 0) return { word: text, rest: undefined };
  if (text[at] === '"') {
    const end = text.indexOf('"', at + 1);
    if (end < 0) return undefined;
    return { word: text.slice(0, at) + text.slice(at + 1, end), rest: skipSpace(text, end + 1) };
  }
  const rest = skipSpace(text, at + 1);
  return { word: text.slice(0, at), rest: text[at] !== '=' && rest.startsWith('=') ? skipSpace(rest, 1) : rest };
}

function skipSpace(text: string, from: number): string {
  let at = from;
  while (at < text.length && (isSpace(text[at]) || text[at] === '\r' || text[at] === '\n')) at++;
  return text.slice(at);
}

/** Not by a pattern: `/\s+$/` is quadratic in the spaces of a line. The first character always stays. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 1 && ' \t\r\n\f'.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}

function isSpace(char: string | undefined): boolean {
  return char === ' ' || char === '\t';
}
