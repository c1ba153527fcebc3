import { KeylaneError } from '../../errors.js';
import { parseYaml } from '../../util/yaml.js';
import { readDynamic } from './ansible-json.js';
import { readTree } from './ansible-yaml.js';
import { formatOf, jsonFormat } from './format.js';
import type { Groups } from './groups.js';
import { readIni } from './ini.js';
import { readJson } from './json.js';
import { readList } from './list.js';
import type { Mistakes } from './mistakes.js';
import { MOST_BYTES } from './read.js';
import type { InventoryFormat, InventoryMap } from './types.js';

export interface How {
  map: InventoryMap;
  groups: Groups;
  mistakes: Mistakes;
}

/** Ansible reads YAML 1.1, and opens what is encrypted; here that stays as it is. */
const YAML = {
  dialect: '1.1',
  textTags: ['!vault', '!unsafe'],
  mostCharacters: MOST_BYTES,
  mostValues: 10_000_000,
} as const;

/** Reads a text into the groups; without a format it is found out. `from` is what messages call the text. */
export function parse(text: string, from: string, given: InventoryFormat | undefined, how: How): void {
  const { groups, mistakes } = how;
  const format = given ?? formatOf(from, text);
  if (format === 'ini') readIni(text, from, groups, mistakes);
  else if (format === 'list') readList(text, from, groups, mistakes);
  else if (format === 'yaml') {
    const { value, lineOf } = parseYaml(text, from, YAML);
    readTree(value, (path) => `${from}:${lineOf(path)}`, groups, mistakes);
  } else if (format === 'ssh-config') {
    throw new KeylaneError('ERR_CONFIG', `${from}: an ssh_config is read from a file: give its path`);
  } else parseJson(text, from, given, how);
}

function parseJson(text: string, from: string, given: InventoryFormat | undefined, how: How): void {
  const { map, groups, mistakes } = how;
  const value = jsonOf(text, from);
  const placeOf = (path: readonly string[]) => (path.length === 0 ? from : `${from}: ${path.join('.')}`);
  const format = given ?? jsonFormat(value);
  if (format === 'yaml') readTree(value, placeOf, groups, mistakes);
  else if (format === 'ansible-json') readDynamic(value, placeOf, groups, mistakes);
  else readJson(value, map, from, groups, mistakes);
}

/** V8's own words would quote the text. */
function jsonOf(text: string, from: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (error) {
    const at = Number(/position (\d+)/.exec((error as Error).message)?.[1] ?? text.length);
    const line = text.slice(0, at).split('\n').length;
    const fix = 'is not valid JSON: expected a quote, a comma or a bracket near here';
    throw new KeylaneError('ERR_CONFIG', `${from}:${line}: ${fix}`);
  }
}
