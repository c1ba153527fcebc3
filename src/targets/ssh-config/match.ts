import { compileList } from './patterns.js';
import type { Criterion } from './types.js';
import { BadValue } from './values.js';

/** Criteria with an argument, which may follow after `=` too. */
const WITH_ARGUMENT =
  /^(host|originalhost|user|localuser|tagged|exec|localnetwork|version|command|sessiontype)(?:=(.*))?$/is;

/**
 * The criteria of a Match line. As in ssh, `all` stands alone or after one other criterion, and ends the line.
 * Newer ones that depend on what keylane does not know are kept by name, for they matter only where the rest matches.
 */
export function parseMatch(words: readonly string[]): Criterion[] {
  const criteria: Criterion[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word.startsWith('#')) break;
    const not = word.startsWith('!');
    const name = (not ? word.slice(1) : word).toLowerCase();
    if (name === 'all') {
      const next = words[at + 1];
      if (criteria.length > 1 || (next !== undefined && next !== '' && !next.startsWith('#')))
        throw new BadValue('"all" cannot be combined with other criteria');
      criteria.push({ is: 'all', not });
      return criteria;
    }
    if (name === 'canonical') criteria.push({ is: 'canonical', not });
    else if (name === 'final') criteria.push({ is: 'final', not });
    else {
      const [, is, joined] = WITH_ARGUMENT.exec(not ? word.slice(1) : word) ?? [];
      if (is === undefined) throw new BadValue(`"${word}" is no criterion of Match`);
      criteria.push(withArgument(is.toLowerCase(), not, joined ?? words[++at]));
    }
  }
  if (criteria.length === 0) throw new BadValue('a criterion is missing: host, originalhost, user, localuser, all, …');
  return criteria;
}

function withArgument(is: string, not: boolean, argument: string | undefined): Criterion {
  if (is === 'tagged' && argument === '') return { is: 'tagged-empty', not };
  if (argument === undefined || argument.startsWith('#') || (argument === '' && is !== 'command'))
    throw new BadValue(`the argument of "${is}" is missing`);
  switch (is) {
    case 'host':
    case 'originalhost':
      return { is, not, list: compileList(argument, true) };
    case 'user':
    case 'localuser':
    case 'tagged':
      return { is, not, list: compileList(argument, false) };
    case 'exec':
      return { is, not, command: argument };
    default:
      return { is: 'unsupported', name: is };
  }
}
