import type { ConfigOrigin } from './types.js';

/** Values by name, as deep as objects go. */
export type Tree = Record<string, unknown>;
export type Path = readonly PropertyKey[];

/** What one source says. */
export interface Layer {
  values: Tree;
  originOf(path: Path): ConfigOrigin;
}

/** Layers put together. */
export interface Merged {
  values: Tree;
  /** Of a value, or of what is nearest to it: below, else above. Undefined where nothing was said. */
  originOf(path: Path): ConfigOrigin | undefined;
}

/** What a later layer says goes before. Objects are merged field by field; a list, as any value, is taken as a whole. */
export function merge(layers: readonly Layer[]): Merged {
  const values: Tree = {};
  /** Of each value, who said it. */
  const origins: Origins = new Map();
  for (const { values: from, originOf } of layers) overlay(values, from, [], originOf, origins);
  return {
    values,
    originOf(path) {
      for (let at = path; at.length > 0; at = at.slice(0, -1)) {
        const own = origins.get(nameOf(at));
        // Within a list it knows more than we do.
        if (own) return own(path);
        const head = headOf(at);
        for (const [name, originOf] of origins) if (name.startsWith(head)) return originOf(JSON.parse(name) as Path);
      }
      return undefined;
    },
  };
}

export function isObject(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type Origins = Map<string, Layer['originOf']>;

function overlay(into: Tree, from: Tree, path: Path, originOf: Layer['originOf'], origins: Origins): void {
  for (const [name, value] of Object.entries(from)) {
    if (value === undefined) continue;
    const here = [...path, name];
    const before = Object.hasOwn(into, name) ? into[name] : undefined;
    if (isObject(value) && isObject(before)) {
      overlay(before, value, here, originOf, origins);
      continue;
    }
    const head = headOf(here);
    if (isObject(before)) for (const known of origins.keys()) if (known.startsWith(head)) origins.delete(known);
    origins.delete(nameOf(here));
    if (isObject(value)) {
      const made: Tree = {};
      define(into, name, made);
      if (Object.keys(value).length === 0) origins.set(nameOf(here), originOf);
      overlay(made, value, here, originOf, origins);
    } else {
      define(into, name, structuredClone(value));
      origins.set(nameOf(here), originOf);
    }
  }
}

/** `__proto__` is a name like any other. */
export function define(object: Tree, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
}

/** What the names of everything below a path begin with. */
function headOf(path: Path): string {
  return `${nameOf(path).slice(0, -1)},`;
}

function nameOf(path: Path): string {
  return JSON.stringify(path.map(String));
}
