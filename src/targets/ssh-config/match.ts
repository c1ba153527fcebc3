import { compileList } from './patterns.js';
import type { Criterion } from './types.js';
import { BadValue } from './values.js';

/** Criteria with an argument. Those from `localnetwork` on hang on what keylane does not know. */
const WITH_ARGUMENT = [
  ...['host', 'originalhost', 'user', 'localuser', 'tagged', 'exec'],
  ...['localnetwork', 'version', 'command', 'sessiontype'],
];
/** An argument may be empty: no tag, no command. */
const MAY_BE_EMPTY = ['tagged', 'command'];

/** What two versions of ssh would both read, each in its way. */
export class Ambiguous extends Error {}

interface Read {
  readonly is: string;
  readonly not: boolean;
  readonly argument?: string;
}

/**
 * The criteria of a Match line. OpenSSH 10 splits it like every other line, and takes `host=…` as one word; 9.2 splits it
 * at `=` too and knows neither backslashes nor single quotes. What only one of them can read is read so; what both read
 * with another meaning is refused.
 */
export function parseMatch(words: readonly string[], oldWords: readonly string[] | undefined): Criterion[] {
  const read = attempt(words.flatMap(splitJoined));
  const old = oldWords === undefined ? new BadValue('a quote is not closed') : attempt(oldWords);
  if (read instanceof BadValue && old instanceof BadValue) throw read;
  if (read instanceof BadValue) return (old as Read[]).map(compile);
  if (!(old instanceof BadValue) && JSON.stringify(old) !== JSON.stringify(read))
    throw new Ambiguous('versions of ssh read this line differently; write it without backslashes and single quotes');
  return read.map(compile);
}

function attempt(words: readonly string[]): Read[] | BadValue {
  try {
    return readCriteria(words);
  } catch (error) {
    if (error instanceof BadValue) return error;
    throw error;
  }
}

/** `host=a` is two words. */
function splitJoined(word: string): string[] {
  const at = word.indexOf('=');
  const is = word.slice(0, Math.max(0, at)).toLowerCase().replace(/^!/, '');
  return WITH_ARGUMENT.includes(is) ? [word.slice(0, at), word.slice(at + 1)] : [word];
}

/** `all` stands alone or after one other criterion, and ends the line. */
function readCriteria(words: readonly string[]): Read[] {
  const criteria: Read[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word.startsWith('#')) break;
    const not = word.startsWith('!');
    const is = (not ? word.slice(1) : word).toLowerCase();
    if (is === 'all') {
      const next = words[at + 1];
      if (criteria.length > 1 || (next !== undefined && next !== '' && !next.startsWith('#')))
        throw new BadValue('"all" cannot be combined with other criteria');
      return [...criteria, { is, not }];
    }
    if (is === 'canonical' || is === 'final') {
      criteria.push({ is, not });
      continue;
    }
    const argument = words[++at];
    if (!WITH_ARGUMENT.includes(is)) throw new BadValue(`"${word}" is no criterion of Match`);
    if (argument === undefined || argument.startsWith('#') || (argument === '' && !MAY_BE_EMPTY.includes(is)))
      throw new BadValue(`the argument of "${is}" is missing`);
    criteria.push({ is, not, argument });
  }
  if (criteria.length === 0) throw new BadValue('a criterion is missing: host, originalhost, user, localuser, all, …');
  return criteria;
}

function compile({ is, not, argument = '' }: Read): Criterion {
  switch (is) {
    case 'all':
    case 'final':
    case 'canonical':
      return { is, not };
    case 'host':
    case 'originalhost':
      return { is, not, list: compileList(argument, true) };
    case 'user':
    case 'localuser':
      return { is, not, list: compileList(argument, false) };
    case 'tagged':
      return argument === '' ? { is: 'tagged-empty', not } : { is, not, list: compileList(argument, false) };
    case 'exec':
      return { is, not, command: argument };
    default:
      return { is: 'unsupported', name: is };
  }
}
