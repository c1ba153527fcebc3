/** How the arguments of a keyword are read: one reader for each shape. */
import { type AlgorithmKind, wrongAlgorithm } from './algorithms.js';
import { expandNames, parseForward } from './forwards.js';
import { parseJumps } from './jumps.js';
import type { Joins } from './types.js';
import { BadValue, chosen, filled, only, opening, scaled, seconds, service, whole } from './values.js';

/** What a line gives: values in the spelling of `ssh -G`, of its own keyword unless another is named. Without values it sets nothing. */
export interface Value {
  readonly keyword?: string;
  readonly values: readonly string[];
  readonly joins?: Joins;
}

export type ReadValues = (words: readonly string[], text: string) => Value | readonly Value[];

export type Read = (words: readonly string[], text: string) => readonly string[];

const FLAG = { true: 'yes', false: 'no', yes: 'yes', no: 'no' };
/** Options of more than two states: ssh prints the first of its own spellings. */
export const STATES = { true: 'true', false: 'false', yes: 'true', no: 'false' };
export const ASK = { ...STATES, ask: 'ask' };
/** ssh takes no more known_hosts files, host suffixes, or rules of one kind. */
const MOST_ENTRIES = 32;

export const flag = choice(FLAG);
export const text: Read = (words) => [only(words)];
/** The rest of the line with its quotes: a shell's business. */
export const command: Read = (_words, line) => [line.replace(/^[ \t\r\n=]+/, '')];
export const integer: Read = (words) => [String(whole(only(words)))];
/** `none` sets nothing, so that a later value counts. */
export const time: Read = (words) => (only(words) === 'none' ? [] : [String(seconds(only(words)))]);
/** Read by newer versions or for other systems; nothing here looks at the value. */
export const anything: Read = (_words, line) => [line];

export function choice(spellings: Readonly<Record<string, string>>): Read {
  return (words) => [chosen(only(words), spellings)];
}

export function oneOf(names: readonly string[], word: string): string {
  return chosen(word, Object.fromEntries(names.map((name) => [name.toLowerCase(), name])));
}

/** Any number of words; `none` stands alone. */
export function listOf(read: (word: string) => string): Read {
  return (words) => {
    if (words.length > MOST_ENTRIES) throw new BadValue(`more than ${MOST_ENTRIES} entries`);
    if (words.length > 1 && words.some((word) => word.toLowerCase() === 'none'))
      throw new BadValue('"none" stands alone');
    return words.map((word) => read(filled(word)));
  };
}

export function cnameRule(word: string): string {
  if (word.toLowerCase() === 'none') return 'none';
  if (word === '*') return '*:*';
  if (!/^[^:]*:./s.test(word)) throw new BadValue(`"${word}" is no rule: write source:target`);
  return word.toLowerCase();
}

export function algorithms(kind: AlgorithmKind): Read {
  return (words) => {
    const list = only(words);
    const wrong = wrongAlgorithm(kind, list);
    if (wrong !== undefined) throw new BadValue(wrong);
    return [list];
  };
}

export function addKeys(words: readonly string[]): readonly string[] {
  const [first = '', life] = words;
  if (words.length > 2) throw new BadValue('two arguments at most: confirm 5m');
  const state = Object.hasOwn(ASK, first.toLowerCase())
    ? chosen(first, ASK)
    : first.toLowerCase() === 'confirm'
      ? 'confirm'
      : undefined;
  if (life === undefined) {
    if (state !== undefined) return [state];
    const limit = seconds(filled(first));
    return [limit === 0 ? 'true' : String(limit)];
  }
  if (state !== 'confirm') throw new BadValue(`"${life}" may only stand after confirm`);
  return [seconds(life) === 0 ? 'confirm' : `confirm ${seconds(life)}`];
}

export function persist(words: readonly string[]): readonly string[] {
  const word = only(words);
  if (word === 'no' || word === 'false') return ['no'];
  if (word === 'yes' || word === 'true') return ['yes'];
  return [seconds(word) === 0 ? 'yes' : String(seconds(word))];
}

export function qualities(words: readonly string[]): readonly string[] {
  if (words.length > 2) throw new BadValue('two classes at most');
  const first = service(filled(words[0]));
  return [first, words[1] === undefined ? first : service(words[1])];
}

export function permitted(words: readonly string[]): readonly string[] {
  filled(words[0]);
  if (words.length === 1 && /^(?:any|none)$/i.test(words[0]!)) return words;
  return words.map(opening);
}

export function jump(_words: readonly string[], line: string): readonly string[] {
  const list = line.replace(/^[ \t\r\n=]+/, '');
  parseJumps(list);
  return [list];
}

export function sendable(word: string): string {
  if (word === '' || word.includes('=')) throw new BadValue(`"${word}" is no name of a variable`);
  return word;
}

/** The first of each name. */
export function assignments(words: readonly string[]): readonly string[] {
  const seen = new Map<string, string>();
  for (const word of words) {
    const at = word.indexOf('=');
    if (at < 0) throw new BadValue(`"${word}" is no assignment: write NAME=value`);
    if (!seen.has(word.slice(0, at))) seen.set(word.slice(0, at), word);
  }
  return [...seen.values()];
}

/** ssh takes the digits in front and leaves the rest. */
export function mask(words: readonly string[]): readonly string[] {
  const value = Number.parseInt(/^\s*\+?([0-7]+)/.exec(only(words))?.[1] ?? '', 8);
  if (!(value <= 0o777)) throw new BadValue(`"${words[0]}" is no octal mode up to 0777`);
  return [`0${value.toString(8)}`];
}

/** A socket's path, `SSH_AUTH_SOCK`, `none`, `$NAME` or `${NAME}`. */
export function agentPath(word: string): string {
  expandNames(word);
  if (word.startsWith('$') && !word.startsWith('${') && !/^\$[A-Za-z0-9_]+$/.test(word))
    throw new BadValue(`"${word}" is no name of a variable`);
  return word;
}

/** A path says yes, unless an earlier line said no; and it stays, whatever an earlier line said. */
export function forwardAgent(words: readonly string[]): readonly Value[] {
  const word = only(words);
  if (Object.hasOwn(FLAG, word.toLowerCase())) return [{ values: [chosen(word, FLAG)] }];
  return [{ values: ['yes'] }, { keyword: 'forwardagent path', values: [agentPath(word)] }];
}

/** Bytes and time are two options in one line. */
export function rekeyLimit(words: readonly string[]): readonly Value[] {
  const [size, after] = words;
  if (words.length > 2) throw new BadValue('two arguments at most: 1G 1h');
  const bytes = filled(size) === 'default' ? 0n : scaled(size!);
  if (bytes > 0n && bytes < 16n) throw new BadValue(`"${size}" is too small`);
  const limit = { values: [String(bytes)] };
  if (after === undefined || after === 'none') return [limit];
  return [limit, { keyword: 'rekeylimit time', values: [String(seconds(filled(after)))] }];
}

export function forward(kind: 'local' | 'remote' | 'dynamic'): ReadValues {
  return (words) => {
    filled(words[0]);
    const { text: spec, socks } = parseForward(words, kind);
    return {
      keyword: socks && kind !== 'remote' ? 'dynamicforward' : `${kind}forward`,
      values: [spec],
      joins: 'forward',
    };
  };
}
