import { extname } from 'node:path';
import { isMapping } from './ansible-yaml.js';
import type { InventoryFormat } from './types.js';

/** A file's format, by its name and else by its first lines. Of JSON more is known when it is read: `jsonFormat`. */
export function formatOf(name: string, text: string): InventoryFormat {
  const extension = extname(name).toLowerCase();
  const head = text.slice(0, 64 * 1024).replace(/^\ufeff/, '');
  if (extension === '.json' || /^\s*(?:\{|\[\s*(?:["{]|\]\s*$))/.test(head)) return 'json';
  if (extension === '.yaml' || extension === '.yml') return 'yaml';
  if (extension === '.ini' || extension === '.cfg') return 'ini';
  const lines = head.split('\n').map((line) => line.trim());
  const first = lines.find((line) => line !== '' && !/^[#;]/.test(line)) ?? '';
  if (
    /^(?:Host|Match|Include)[\s=]/i.test(first) ||
    (/\.ssh\/config$|(?:^|\/)ssh_config$/.test(name) && !first.startsWith('['))
  )
    return 'ssh-config';
  if (/^---(?:\s|$)|^[^\s:[\]]+:\s*(?:#.*)?$/.test(first)) return 'yaml';
  const isIni = lines.some(
    (line) =>
      /^\[[^\]\s]+\](?:\s*#.*)?$|^[^#;]+=|^[^#;\s]*\[[0-9a-z]*:[0-9a-z]+(?::\d+)?\]/i.test(line) ||
      line.startsWith(';'),
  );
  return isIni ? 'ini' : 'list';
}

/** What a JSON document is: Ansible's, as its YAML inventory has it or as programs print it, or a list of one's own. */
export function jsonFormat(value: unknown): 'yaml' | 'ansible-json' | 'json' {
  if (!isMapping(value) || '_meta' in value) return isMapping(value) ? 'ansible-json' : 'json';
  const inner = Object.values(value);
  if (inner.some((group) => isMapping(group) && (isMapping(group.hosts) || isMapping(group.children)))) return 'yaml';
  return inner.some((group) => isMapping(group) && ('hosts' in group || 'children' in group)) ? 'ansible-json' : 'json';
}
