import { z } from 'zod';
import { KeylaneError } from '../errors.js';
import { type Problem, problemsOf } from '../util/check.js';
import { nearest } from '../util/nearest.js';
import { hinted } from './hints.js';
import { define, isObject, type Layer, type Path, type Tree } from './merge.js';

const PREFIX = 'KEYLANE_';
/** They say where the configuration is, and are not of it. */
const OTHERS = new Set(['KEYLANE_CONFIG']);

/**
 * The layer of the variables: `KEYLANE_LIMITS__CONNECTIONS_PER_LANE=4` is `limits.connectionsPerLane`. An empty variable
 * says nothing. One that is not known is left alone, since it may be a program's own, but if it has `__` or is but a slip
 * away from one that is known.
 */
export function variablesLayer(
  env: Readonly<Record<string, string | undefined>>,
  schema: z.ZodType,
): Layer & { problems: string[] } {
  const values: Tree = {};
  const names = new Map<string, string>();
  const problems: string[] = [];
  for (const [name, text] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!name.startsWith(PREFIX) || OTHERS.has(name) || text === undefined || text === '') continue;
    const found = fieldOf(name, schema);
    if (typeof found === 'string') problems.push(`${name}: ${found}`);
    if (found === undefined || typeof found === 'string') continue;
    const { value, wrong } = valueIn(text, found);
    for (const { path, says } of wrong) {
      const at = [...found.path, ...path];
      problems.push(`${name}: ${at.join('.')}: ${hinted({ path: at, says })}`);
    }
    if (wrong.length > 0) continue;
    put(values, found.path, value);
    names.set(found.path.join('.'), name);
  }
  return {
    values,
    problems,
    originOf(path) {
      for (let at = path; at.length > 0; at = at.slice(0, -1)) {
        const name = names.get(at.join('.'));
        if (name !== undefined) return { from: 'variable', name };
      }
      throw new KeylaneError('ERR_CONFIG', `no variable said ${path.join('.')}`);
    },
  };
}

interface Field {
  path: string[];
  schema: z.ZodType;
}

/** The field that a variable names; a text says why there is none, undefined that it is none of ours. */
function fieldOf(name: string, root: z.ZodType): Field | string | undefined {
  const segments = name.slice(PREFIX.length).split('__');
  const path: string[] = [];
  let schema = root;
  for (const segment of segments) {
    const next = insideOf(schema, segment);
    if (typeof next !== 'object') {
      const meant = next === undefined ? undefined : [...path, next].map(variableOf).join('__');
      if (segments.length === 1 && meant === undefined) return undefined;
      return `no option has this name${meant === undefined ? '' : `; did you mean ${PREFIX}${meant}?`}`;
    }
    path.push(next.name);
    schema = next.schema;
  }
  return { path, schema };
}

/** What a segment names within a schema; a text is the name that may be meant. */
function insideOf(schema: z.ZodType, segment: string): { name: string; schema: z.ZodType } | string | undefined {
  const known = new Map<string, string>();
  for (const shape of shapesOf(schema)) {
    if (shape instanceof z.ZodRecord) {
      const name = segment.toLowerCase();
      return name === '' ? undefined : { name, schema: shape.valueType as z.ZodType };
    }
    for (const [name, inner] of Object.entries(shape.shape)) {
      if (variableOf(name) === segment.toUpperCase()) return { name, schema: inner as z.ZodType };
      known.set(variableOf(name), name);
    }
  }
  const near = nearest(segment, known.keys());
  return near === undefined ? undefined : known.get(near);
}

/** Of what a schema takes, the objects. */
function shapesOf(schema: z.ZodType): (z.ZodObject | z.ZodRecord)[] {
  if (schema instanceof z.ZodOptional) return shapesOf(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => shapesOf(option as z.ZodType));
  return schema instanceof z.ZodObject || schema instanceof z.ZodRecord ? [schema] : [];
}

/** `connectionsPerLane` → `CONNECTIONS_PER_LANE` */
function variableOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** A variable is a text; what the option takes says whether it stands for a number, a truth, a list. */
function valueIn(text: string, { path, schema }: Field): { value: unknown; wrong: Problem[] } {
  const json = asJson(text);
  // Under the field's own names, so that what may be secret is not shown.
  const within = path.reduceRight<z.ZodType>((inner, name) => z.object({ [name]: inner }), schema);
  const wrongIn = (value: unknown) =>
    problemsOf(
      within,
      path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value),
    ).map(({ path: at, says }) => ({ path: at.slice(path.length), says }));
  const asRead = json === undefined ? [] : wrongIn(json);
  if (json !== undefined && asRead.length === 0) return { value: json, wrong: [] };
  const asText = wrongIn(text);
  if (asText.length === 0) return { value: text, wrong: [] };
  return { value: undefined, wrong: json === undefined ? asText : asRead };
}

function asJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value === null ? undefined : value;
  } catch {
    return undefined;
  }
}

function put(values: Tree, path: Path, value: unknown): void {
  let at = values;
  for (const step of path.slice(0, -1)) {
    const name = String(step);
    const next = Object.hasOwn(at, name) ? at[name] : undefined;
    if (isObject(next)) {
      at = next;
    } else {
      const made: Tree = {};
      define(at, name, made);
      at = made;
    }
  }
  define(at, String(path.at(-1)), value);
}
