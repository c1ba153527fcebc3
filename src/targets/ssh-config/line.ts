import { keywordOf } from './keywords.js';
import { Ambiguous, parseMatch } from './match.js';
import { mistake, unsupported } from './mistakes.js';
import { compileHost } from './patterns.js';
import type { Directive, Line, Place } from './types.js';
import { BadValue, filled } from './values.js';
import { splitKeyword, splitOldWords, splitWords } from './words.js';

/** ssh keeps no more keys or certificates. */
const MOST_IDENTITIES = 100;
/** Each is compared with those before it, which makes an end necessary where ssh has none. */
const MOST_OTHERS = 1_000;

/**
 * Reads one line; undefined where it says nothing. Syntax counts in every block, in force or not, as it does to ssh.
 *
 * @throws KeylaneError `ERR_CONFIG`, which names file, line and directive.
 */
export function parseLine(text: string, place: Place, ofUser: boolean): Line | undefined {
  const split = splitKeyword(text);
  if (split === undefined) return undefined;
  const { keyword, rest } = split;
  if (rest === undefined) throw mistake(place, keyword, 'the argument is missing');
  const words = splitWords(rest);
  if (words === undefined) throw mistake(place, keyword, 'a quote is not closed');
  try {
    if (keyword === 'host')
      return { kind: 'condition', condition: { kind: 'host', patterns: compileHost(words.map(filled)), place } };
    if (keyword === 'match')
      return {
        kind: 'condition',
        condition: { kind: 'match', criteria: parseMatch(words, splitOldWords(rest)), place },
      };
    if (keyword === 'include') return { kind: 'include', paths: words.map(filled), place };
    return directives(keyword, words, rest, place, ofUser);
  } catch (error) {
    if (error instanceof BadValue) throw mistake(place, keywordOf(keyword)?.name ?? keyword, error.message);
    if (error instanceof Ambiguous) throw unsupported(place, 'Match', error.message);
    throw error;
  }
}

function directives(keyword: string, words: string[], rest: string, place: Place, ofUser: boolean): Line {
  const known = keywordOf(keyword);
  if (known === undefined) return { kind: 'unknown', keyword, place };
  const values = [known.read(words, rest)].flat();
  return {
    kind: 'directives',
    directives: values
      .filter((value) => value.values.length > 0)
      .map(
        (value): Directive => ({
          keyword: value.keyword ?? known.keyword,
          name: known.name,
          values: value.values,
          place,
          joins: value.joins ?? known.joins,
          ofUser,
        }),
      ),
  };
}

/** What is wrong with one more of these, or undefined. */
export function tooMany(directive: Directive, already: number): string | undefined {
  const most = directive.joins === 'identity' ? MOST_IDENTITIES : MOST_OTHERS;
  return already >= most ? `there are more than ${most}` : undefined;
}
