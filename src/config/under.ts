import type { EngineOptions } from '../options.js';
import { loadConfig } from './load.js';
import { isObject, type Tree } from './merge.js';

/** A program's options over what the configuration says: what the program says goes before, field by field. */
export async function underOptions({ config, ...given }: EngineOptions): Promise<EngineOptions> {
  const { engine } = await loadConfig(typeof config === 'string' ? { file: config } : {});
  return over(engine as Tree, given as Tree) as EngineOptions;
}

function over(below: Tree, above: Tree): Tree {
  const both: Tree = { ...below };
  for (const [name, value] of Object.entries(above)) {
    if (value === undefined) continue;
    const under = both[name];
    both[name] = isObject(under) && isObject(value) ? over(under, value) : value;
  }
  return both;
}
