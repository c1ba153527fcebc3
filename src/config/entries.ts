import { pathOf } from '../util/check.js';
import { isObject, type Merged, type Path, type Tree } from './merge.js';
import type { ConfigEntry } from './types.js';

/** Every value with its origin: what was said, then what is the default. `fields`: the order of the first names. */
export function entriesOf(merged: Merged, told: Tree, fields: readonly string[]): ConfigEntry[] {
  const entries: ConfigEntry[] = [];
  const add = (path: Path, value: unknown, isDefault: boolean) => {
    const origin = (isDefault ? undefined : merged.originOf(path)) ?? { from: 'default' as const };
    entries.push({ path: pathOf('', path), value: masked(value, path), origin });
  };
  for (const field of fields) {
    for (const [path, value] of leaves(merged.values[field], [field])) add(path, value, false);
    for (const [path, value] of leaves(told[field], [field])) {
      const at = (holder: unknown, step: PropertyKey) =>
        isObject(holder) && Object.hasOwn(holder, step) ? holder[step as string] : undefined;
      if (path.reduce(at, merged.values as unknown) === undefined) add(path, value, true);
    }
  }
  return entries;
}

function* leaves(value: unknown, path: Path): Generator<[Path, unknown]> {
  if (value === undefined || typeof value === 'function') return;
  if (!isObject(value) || Object.keys(value).length === 0) {
    yield [path, value];
    return;
  }
  for (const [name, inner] of Object.entries(value)) yield* leaves(inner, [...path, name]);
}

const SECRET = /pass|secret|token|credential|api[-_]?key|private[-_]?key/i;
const REFERENCE = /^(env:[A-Za-z_]\w*$|file:|cmd:)/;
const MASK = '****';
/** Of these, words of a command line. */
const WORDS = new Set<PropertyKey | undefined>(['command', 'args']);

/** A value as it may be shown. References are, and whatever cannot be a secret. */
function masked(value: unknown, path: Path): unknown {
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, masked(inner, [...path, name])]));
  }
  if (Array.isArray(value)) return WORDS.has(path.at(-1)) ? maskedWords(value) : value.map((one) => masked(one, path));
  if (typeof value !== 'string') return value;
  if (isVariable(path) || path.some((step) => typeof step === 'string' && SECRET.test(step)))
    return REFERENCE.test(value) ? value : MASK;
  return withoutUserInfo(value);
}

/** Of a server's environment, whatever its name: a token may be called anything there. */
function isVariable(path: Path): boolean {
  return path[0] === 'stdio' && path[1] === 'servers' && path[3] === 'env';
}

/** A command line as it may be shown: what follows `--token`, and what is assigned to a name like it, is not. */
function maskedWords(words: readonly unknown[]): unknown[] {
  return words.map((word, index) => {
    if (typeof word !== 'string') return word;
    const before = words[index - 1];
    if (typeof before === 'string' && /^-/.test(before) && !before.includes('=') && SECRET.test(before)) return MASK;
    const [, name, assigned] = /^([^=]+)=(.+)$/s.exec(word) ?? [];
    if (name !== undefined && assigned !== undefined && SECRET.test(name)) return `${name}=${MASK}`;
    if (/authorization|bearer/i.test(word)) return MASK;
    return withoutUserInfo(word);
  });
}

/** `https://user:password@host` */
function withoutUserInfo(text: string): string {
  return text.replace(/(:\/\/[^/@\s:]*):[^/@\s]+@/g, `$1:${MASK}@`);
}
