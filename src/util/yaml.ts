import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  Parser,
} from 'yaml';
import { KeylaneError } from '../errors.js';
import { grouped } from './grouped.js';
import { YamlBounds } from './yaml-bounds.js';

/** A YAML document as plain values, and where each of them stands. */
export interface Yaml {
  /** Objects, arrays, strings, numbers, booleans and null; nothing else, whatever the file's tags say. */
  readonly value: unknown;
  /** The line of what is at a path, or of the last part of the path that is there; 1 for the document itself. */
  lineOf(path: readonly PropertyKey[]): number;
}

export interface YamlOptions {
  /** `1.1` is what Ansible reads: `yes` is true. @default '1.2' */
  dialect?: '1.1' | '1.2';
  /** Tags whose scalar is taken as the text that it is (`!vault`); any other tag of one's own is refused. @default none */
  textTags?: readonly string[];
  /** Characters of the text. @default 16 Mi */
  mostCharacters?: number;
  /** What the text falls into: values, signs, spaces; each takes some 400 bytes while it is read. @default 1_500_000 */
  mostLexemes?: number;
  /** Values, those that aliases stand for each time they are used. @default 2_000_000 */
  mostValues?: number;
}

const MOST_CHARACTERS = 16 * 1024 * 1024;
const MOST_LEXEMES = 1_500_000;
const MOST_VALUES = 2_000_000;
/** Levels of what holds what; nothing that people write comes near. */
const MOST_LEVELS = 64;

/**
 * Reads one YAML document. Never runs anything, and takes no more time or memory than its bounds: an alias is counted by
 * what it stands for. A key that stands twice is refused.
 *
 * @throws KeylaneError `ERR_CONFIG`, which names `file` and the line; never a value of the file, it may be secret.
 */
export function parseYaml(text: string, file: string, options: YamlOptions = {}): Yaml {
  const { mostCharacters = MOST_CHARACTERS } = options;
  if (text.length > mostCharacters) {
    const size = grouped(mostCharacters);
    throw new KeylaneError('ERR_CONFIG', `${file}: is longer than ${size} characters; split it`);
  }
  const lines = new LineCounter();
  const fail = (offset: number, problem: string): never => {
    throw new KeylaneError('ERR_CONFIG', `${file}:${Math.max(1, lines.linePos(offset).line)}: ${visible(problem)}`);
  };
  const [document, more] = documentsIn(text, lines, file, options);
  if (!document) return { value: null, lineOf: () => 1 };
  const [problem] = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  if (problem) fail(problem.pos[0], PROBLEMS[problem.code] ?? 'is not valid YAML');
  if (more) fail(more.range[0], 'begins a second document; one file holds one');
  const reader = new Reader(lines, options.mostValues ?? MOST_VALUES, fail);
  const value = document.contents === null ? null : reader.read(document.contents).value;
  return { value, lineOf: (path) => reader.lineOf(value, path) };
}

/** The first two documents: more need not be known. */
function documentsIn(text: string, lines: LineCounter, file: string, options: YamlOptions): Document.Parsed[] {
  const { dialect = '1.2', textTags = [] } = options;
  const composer = new Composer({
    version: dialect,
    resolveKnownTags: false,
    // Its own check compares each key with each other one.
    uniqueKeys: false,
    logLevel: 'error',
    customTags: textTags.map((tag) => ({ tag, resolve: (scalar: string) => scalar })),
  });
  const documents: Document.Parsed[] = [];
  const limit = Error.stackTraceLimit;
  // Each mistake that it finds is an Error, and there may be a million.
  Error.stackTraceLimit = 0;
  try {
    for (const document of composer.compose(tokensOf(text, lines, file, options), true, text.length)) {
      if (documents.push(document as Document.Parsed) === 2) break;
    }
  } finally {
    Error.stackTraceLimit = limit;
  }
  return documents;
}

/**
 * The parser's tokens: a document is one. What holds what is bounded here, where nothing recurses: of 20,000 levels the
 * composer, which does, would end the whole process in V8 instead of throwing.
 */
function* tokensOf(text: string, lines: LineCounter, file: string, options: YamlOptions): Generator<CST.Token> {
  const bounds = new YamlBounds(MOST_LEVELS, options.mostLexemes ?? MOST_LEXEMES);
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    const problem = bounds.add(lexeme);
    if (problem !== undefined) throw new KeylaneError('ERR_CONFIG', `${file}:${bounds.line}: ${problem}`);
    yield* parser.next(lexeme);
  }
  yield* parser.end();
}

/** A name of the file that is quoted must not move a cursor. */
function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The parser's own words may quote the file. */
const PROBLEMS: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'an alias must be * and a name',
  BAD_DIRECTIVE: 'is a directive that is not known; take the line that begins with % out',
  BAD_DQ_ESCAPE: 'has a \\ in double quotes that means nothing; write \\\\, or use single quotes',
  BAD_INDENT: 'is indented wrongly: what belongs together begins in the same column',
  BAD_SCALAR_START: 'begins with a character that a text cannot begin with; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'has a mapping where one is not possible; is a text with ": " in it without quotes?',
  BLOCK_IN_FLOW: 'has lines of a block within [ ] or { }',
  KEY_OVER_1024_CHARS: 'has a key of more than 1,024 characters; is a quote missing?',
  MISSING_CHAR: 'lacks a character: a quote, a bracket, a comma, a space or a colon after a key',
  MULTILINE_IMPLICIT_KEY: 'has a key of several lines; is a colon missing?',
  TAB_AS_INDENT: 'is indented by a tab; use spaces',
  TAG_RESOLVE_FAILED: 'has a tag (!…) that keylane does not take; take it out',
  UNEXPECTED_TOKEN: 'has something that does not belong there; is a quote, a bracket or a colon missing or too many?',
};

/** A value as it is used: how many values it comes to, and how many levels. */
interface Read {
  value: unknown;
  values: number;
  levels: number;
}

const NOTHING: Read = { value: null, values: 1, levels: 0 };

/** Makes plain values of the parser's nodes. An alias gives the very object again, so that it costs nothing. */
class Reader {
  readonly #lines: LineCounter;
  readonly #mostValues: number;
  readonly #fail: (offset: number, problem: string) => never;
  readonly #anchors = new Map<string, Read>();
  /** Of each object and array made, the lines of what it holds. */
  readonly #places = new WeakMap<object, Map<string, number>>();

  constructor(lines: LineCounter, mostValues: number, fail: (offset: number, problem: string) => never) {
    this.#lines = lines;
    this.#mostValues = mostValues;
    this.#fail = fail;
  }

  read(node: Node): Read {
    const read = this.#read(node);
    const offset = node.range?.[0] ?? 0;
    if (read.values > this.#mostValues) this.#fail(offset, 'comes to too many values; is an alias used over and over?');
    if (read.levels > MOST_LEVELS) this.#fail(offset, `comes to more than ${MOST_LEVELS} levels; aliases count too`);
    const { anchor } = node as { anchor?: string };
    // Only now: within itself its name means nothing.
    if (anchor !== undefined && !isAlias(node)) this.#anchors.set(anchor, read);
    return read;
  }

  lineOf(root: unknown, path: readonly PropertyKey[]): number {
    let line = 1;
    let value = root;
    for (const step of path) {
      const next = typeof value === 'object' && value !== null ? this.#places.get(value)?.get(String(step)) : undefined;
      if (next === undefined) return line;
      line = next;
      value = (value as Record<PropertyKey, unknown>)[step];
    }
    return line;
  }

  #read(node: Node): Read {
    if (isScalar(node)) return { value: plain(node.value, node.source), values: 1, levels: 0 };
    if (isSeq<Node>(node)) return this.#list(node.items);
    if (isMap<Node, Node | null>(node)) return this.#map(node.items);
    const offset = node.range?.[0] ?? 0;
    if (!isAlias(node)) return this.#fail(offset, 'is not valid YAML');
    const known = this.#anchors.get(node.source);
    return (
      known ?? this.#fail(offset, `the alias *${node.source.slice(0, 60)} names no anchor that is whole before it`)
    );
  }

  #list(items: readonly Node[]): Read {
    const value: unknown[] = [];
    const places = new Map<string, number>();
    const sum = { values: 1, levels: 1 };
    for (const item of items) {
      places.set(String(value.length), this.#lineAt(item));
      value.push(this.#into(sum, item));
    }
    this.#places.set(value, places);
    return { value, ...sum };
  }

  #map(items: readonly Pair<Node, Node | null>[]): Read {
    const value: Record<string, unknown> = {};
    const places = new Map<string, number>();
    const sum = { values: 1, levels: 1 };
    const merged: [unknown, Node][] = [];
    for (const { key, value: node } of items) {
      const offset = key.range?.[0] ?? 0;
      if (!isScalar(key) || key.value === null) this.#fail(offset, 'a key must be a text');
      const name = String((key as { source?: string }).source ?? (key as { value: unknown }).value);
      if (name === '<<' && node) {
        merged.push([this.#into(sum, node), node]);
        continue;
      }
      if (places.has(name)) {
        const shown = JSON.stringify(name.slice(0, 60));
        this.#fail(offset, `${shown} is there twice; it is in line ${places.get(name)} already`);
      }
      places.set(name, this.#lineAt(key));
      set(value, name, node ? this.#into(sum, node) : null);
    }
    // What is written here goes before what is merged, wherever it stands.
    for (const [from, node] of merged) this.#merge(from, node, value, places);
    this.#places.set(value, places);
    return { value, ...sum };
  }

  #merge(from: unknown, node: Node, value: Record<string, unknown>, places: Map<string, number>): void {
    for (const source of Array.isArray(from) ? from : [from]) {
      if (typeof source !== 'object' || source === null || Array.isArray(source))
        this.#fail(node.range?.[0] ?? 0, '<< takes a mapping, or a list of them');
      for (const [name, inner] of Object.entries(source)) {
        if (places.has(name)) continue;
        places.set(name, this.#places.get(source)?.get(name) ?? this.#lineAt(node));
        set(value, name, inner);
      }
    }
  }

  #into(sum: { values: number; levels: number }, node: Node): unknown {
    const { value, values, levels } = node === null ? NOTHING : this.read(node);
    sum.values += values;
    sum.levels = Math.max(sum.levels, levels + 1);
    if (sum.values > this.#mostValues) this.#fail(node.range?.[0] ?? 0, 'comes to too many values');
    return value;
  }

  #lineAt(node: Node): number {
    return Math.max(1, this.#lines.linePos(node?.range?.[0] ?? 0).line);
  }
}

/** Times, byte arrays and whatever else a dialect makes of a text stay the text. */
function plain(value: unknown, source: string | undefined): unknown {
  return typeof value === 'object' && value !== null
    ? (source ?? '')
    : typeof value === 'bigint'
      ? String(value)
      : value;
}

/** `__proto__` is a name like any other. */
function set(object: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
}
