import { isAbsolute, join } from 'node:path';
import { isObject, type Tree } from './merge.js';

/** Fields that name files, `*` for any name or number. */
const PATHS: readonly (readonly string[])[] = [
  ['dataDir'],
  ['drivers', '*'],
  ['inventories', '*', 'file'],
  ['inventories', '*', 'cwd'],
  ['stdio', 'servers', '*', 'command'],
  ['stdio', 'servers', '*', 'cwd'],
  ['stdio', 'servers', '*', 'env', '*'],
  ['serve', 'tls', 'cert'],
  ['serve', 'tls', 'key'],
  ['serve', 'audit'],
  ['serve', 'tokens', '*', 'token'],
  ['smtp', 'ca'],
  ['smtp', 'password'],
  ...[['http'], ['http', 'origins', '*']].flatMap((access) => ['ca', 'cert'].map((field) => [...access, field])),
  ...[['ssh'], ['groups', '*', 'ssh'], ['ssh', 'jump', '*'], ['groups', '*', 'ssh', 'jump', '*']].flatMap((access) =>
    ['config', 'identity', 'knownHosts', 'agent', 'forwardAgent', 'password', 'passphrase'].flatMap((field) => [
      [...access, field],
      [...access, field, '*'],
    ]),
  ),
];
/** Fields that are references, wherever another of that name is a path. */
const REFERENCE_PATHS: readonly (readonly string[])[] = [['http'], ['http', 'origins', '*']].flatMap((access) =>
  ['proxyPassword', 'key', 'passphrase'].map((field) => [...access, field]),
);
const REFERENCES = new Set(['password', 'passphrase', 'token', 'env']);

/** Makes the files that values name absolute: relative ones are below `folder`, where they were written, `~/` is home. */
export function absolutePaths(values: Tree, folder: string, home: string): void {
  const { inventories, stdio } = values;
  const servers = isObject(stdio) && isObject(stdio.servers) ? Object.values(stdio.servers) : [];
  for (const source of [...(Array.isArray(inventories) ? inventories : []), ...servers])
    if (isObject(source) && source.command !== undefined) source.cwd ??= folder;
  const referenced = (text: string) =>
    text.startsWith('file:') ? `file:${absolute(text.slice(5), folder, home)}` : text;
  for (const path of REFERENCE_PATHS) visit(values, path, referenced);
  for (const path of PATHS) {
    visit(values, path, (text, field) => {
      if (REFERENCES.has(field)) return referenced(text);
      // Without a slash it is looked for in PATH.
      if (field === 'command' && !text.includes('/')) return text;
      if (text === 'none' || text.startsWith('file:')) return text;
      return absolute(text, folder, home);
    });
  }
}

function visit(
  at: unknown,
  path: readonly string[],
  change: (text: string, field: string) => string,
  field = '',
): void {
  const [step, ...rest] = path;
  if (step === undefined || typeof at !== 'object' || at === null) return;
  const holder = at as Record<string, unknown>;
  const names = step !== '*' ? [step] : Object.keys(holder);
  for (const name of names) {
    if (!Object.hasOwn(holder, name)) continue;
    const inner = holder[name];
    const named = step === '*' ? field : step;
    if (rest.length > 0) visit(inner, rest, change, named);
    else if (typeof inner === 'string') holder[name] = change(inner, named);
  }
}

function absolute(path: string, folder: string, home: string): string {
  if (path.startsWith('~/')) return join(home, path.slice(2));
  return path === '' || isAbsolute(path) ? path : join(folder, path);
}
