import type { z } from 'zod';
import { type ErrorCode, KeylaneError } from '../errors.js';
import { grouped } from './grouped.js';
import { nearest } from './nearest.js';

/**
 * The value as the schema reads it, or a KeylaneError with one line per problem: where, what was expected, what was
 * given. `what` heads the paths (`ssh` gives `ssh.port`); a value that may be a secret is never shown.
 */
export function check<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
  code: ErrorCode,
): z.output<Schema> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const lines = problems(read.error.issues, value, schema).map(({ path, says }) => `${pathOf(what, path)}: ${says}`);
  throw new KeylaneError(code, lines.join('\n'));
}

/** One thing that is wrong with a value: where, what was expected and what was given. */
export interface Problem {
  path: readonly PropertyKey[];
  says: string;
}

/** What is wrong with a value, none if nothing is; in the words of `check`. */
export function problemsOf(schema: z.ZodType, value: unknown): Problem[] {
  const read = schema.safeParse(value);
  return read.success ? [] : problems(read.error.issues, value, schema);
}

type Issue = z.core.$ZodIssue;

function problems(issues: readonly Issue[], root: unknown, schema: z.ZodType): Problem[] {
  return issues.flatMap((issue) => problemsIn(issue, root, schema));
}

function problemsIn(issue: Issue, root: unknown, schema: z.ZodType): Problem[] {
  const { path } = issue;
  const given = at(root, path);
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsOf(schema, path);
    return issue.keys.map((name) => ({ path: [...path, name], says: `unknown field${hint(name, known)}` }));
  }
  const meant = issue.code === 'invalid_union' ? issue.errors.find(isInside) : undefined;
  if (meant) {
    return meant.flatMap((inner) => problemsIn({ ...inner, path: [...path, ...inner.path] }, root, schema));
  }
  const show = given === undefined ? 'it is missing' : `got ${shown(given, path)}`;
  return [{ path, says: `${expected(issue)}; ${show}` }];
}

/** Of the shapes that a value may have, the one whose parts are wrong and not the whole is what was meant. */
function isInside(issues: readonly Issue[]): boolean {
  return issues.every(({ path, code }) => path.length > 0 || code === 'unrecognized_keys');
}

/** `ssh.env.PATH`, `ssh.argv[3]`. */
export function pathOf(what: string, path: readonly PropertyKey[]): string {
  let text = what;
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? String(step) : `.${String(step)}`;
  }
  return text || 'the value';
}

/** What a schema's own message says goes first: it knows the fix. Without one, zod's `Invalid input: expected …`. */
function expected(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_key':
      return issue.issues.map(expected).join(', ');
    case 'invalid_value':
      return `expected ${list(issue.values.map((value) => String(value)))}`;
    case 'too_small':
      return (
        ownMessage(issue) ??
        `expected ${issue.inclusive ? 'at least' : 'more than'} ${grouped(issue.minimum)}${unit(issue.origin)}`
      );
    case 'too_big':
      return (
        ownMessage(issue) ??
        `expected ${issue.inclusive ? 'at most' : 'less than'} ${grouped(issue.maximum)}${unit(issue.origin)}`
      );
    case 'invalid_type':
      return ownMessage(issue) ?? `expected ${article(issue.expected === 'int' ? 'whole number' : issue.expected)}`;
    default:
      return issue.message;
  }
}

function ownMessage(issue: Issue): string | undefined {
  return /^(Invalid input|Too (small|big))/.test(issue.message) ? undefined : issue.message;
}

function unit(origin: string): string {
  if (origin === 'string') return ' characters';
  return origin === 'array' ? ' items' : '';
}

function article(noun: string): string {
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

function list(words: readonly string[]): string {
  return words.length === 1 ? `'${words[0]}'` : `one of ${words.map((word) => `'${word}'`).join(', ')}`;
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  let found = value;
  for (const step of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Record<PropertyKey, unknown>)[step];
  }
  return found;
}

/** Fields whose value, or a part of it, may be secret: a command line or the environment often carries a token, a URL or a header a password. */
const SECRET =
  /pass|secret|token|credential|bearer|(?<!per)key$|^(?:env|stdin|command|args|argv|payload|jump|url|proxy|headers|body|json)$/i;
const LONGEST_SHOWN = 60;

function shown(value: unknown, path: readonly PropertyKey[]): string {
  const secret = path.some((step) => typeof step === 'string' && SECRET.test(step));
  if (typeof value === 'string') {
    if (!secret && value.length <= LONGEST_SHOWN) return JSON.stringify(value);
    return `a string of ${grouped(value.length)} characters`;
  }
  if (value === null) return 'null';
  if (typeof value === 'number' || typeof value === 'boolean') return secret ? article(typeof value) : String(value);
  if (Array.isArray(value)) return `an array of ${grouped(value.length)}`;
  return article(typeof value);
}

/** Names of the fields of the object schema at a path; none where the way there is not made of objects. */
function fieldsOf(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let found: unknown = schema;
  for (const step of [...path, undefined]) {
    while (found && typeof found === 'object' && !('shape' in found)) {
      const { innerType, in: input, options, valueType, element } = (found as { def?: Inner }).def ?? {};
      if (valueType ?? element) break;
      found = innerType ?? input ?? options?.find((option) => typeof option === 'object' && 'shape' in option);
    }
    const { shape, def } = (found ?? {}) as { shape?: Record<PropertyKey, unknown>; def?: Inner };
    const each = def?.valueType ?? def?.element;
    if (!shape && !each) return [];
    if (step === undefined) return Object.keys(shape ?? {});
    found = shape ? shape[step] : each;
  }
  return [];
}

/** What zod wraps a schema in. */
interface Inner {
  innerType?: object;
  in?: object;
  options?: object[];
  /** Of a record and of an array: what each holds. */
  valueType?: object;
  element?: object;
}

/** The field that was meant, if one is near, or all of them if they are few. */
function hint(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  if (near) return `; did you mean \`${near}\`?`;
  return known.length > 0 ? `; known are ${known.join(', ')}` : '';
}
