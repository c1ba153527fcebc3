import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Config, type ConfigEntry, type ConfigOrigin, configFiles, loadFleet, loadInventory } from '../index.js';
import type { ConfigAction, ShowFlags } from './config-flags.js';
import { asConfigured, configOf } from './configured.js';
import { counted } from './figures.js';
import type { Io } from './io.js';
import { visible } from './visible.js';

const SCHEMA = new URL('../../../docs/keylane.schema.json', import.meta.url);

/** `keylane config`: what the configuration is, and where from. Resolves with the exit status. */
export async function config(action: ConfigAction, flags: ShowFlags & { path?: true }, io: Io): Promise<number> {
  const { config: named, format, all, path } = flags;
  if (action === 'schema') {
    io.stdout.write(path ? `${fileURLToPath(SCHEMA)}\n` : readFileSync(SCHEMA, 'utf8'));
  } else if (action === 'path') {
    const files = configFiles({ env: io.env, ...(named !== undefined && { file: named }) });
    const lines = files.map(({ kind, file, found }) => `${file}  (${kind}${found ? '' : ', not there'})\n`);
    io.stdout.write(format === 'json' ? `${JSON.stringify(files)}\n` : visibleLines(lines.join('')));
  } else {
    const loaded = await configOf(flags, io);
    if (action === 'check') io.stdout.write(visibleLines(await checked(loaded)));
    else io.stdout.write(shown(loaded, format, all ?? false));
  }
  return 0;
}

/** Reads what the configuration names, too; runs nothing. */
async function checked(config: Config): Promise<string> {
  const { files, groups, inventories } = config;
  const lists = inventories.filter(({ command }) => command === undefined);
  const commands = inventories.length - lists.length;
  const said = [
    `valid: ${files.length === 0 ? 'no file' : files.join(', ')}`,
    counted(Object.keys(groups).length, 'group'),
  ];
  await asConfigured(async () => {
    // What a command would print may have the groups that others name.
    if (commands === 0) await loadFleet(config);
    else await loadInventory(lists.map(({ file, format }) => ({ file: file as string, ...(format && { format }) })));
  });
  if (lists.length > 0) said.push(counted(lists.length, 'inventory file'));
  if (commands > 0) said.push(`${counted(commands, 'inventory command')} not run`);
  return `${said.join('; ')}\n`;
}

function shown(config: Config, format: 'text' | 'json', all: boolean): string {
  const entries = config.entries().filter(({ origin }) => all || origin.from !== 'default');
  if (format === 'json') return `${JSON.stringify(entries)}\n`;
  if (entries.length === 0) return 'nothing but defaults; --all shows them\n';
  const width = Math.min(60, Math.max(...entries.map((entry) => said(entry).length)));
  return visibleLines(entries.map((entry) => `${said(entry).padEnd(width)}  # ${place(entry.origin)}\n`).join(''));
}

function said({ path, value }: ConfigEntry): string {
  // JSON knows no infinity, and a bare text reads better.
  const text = typeof value === 'number' || isPlain(value) ? String(value) : JSON.stringify(value);
  return `${path}: ${text}`;
}

function isPlain(value: unknown): boolean {
  return typeof value === 'string' && /^[\w./:@~+-]+$/.test(value);
}

function place(origin: ConfigOrigin): string {
  switch (origin.from) {
    case 'file':
      return `${origin.file}:${origin.line}`;
    case 'variable':
      return origin.name;
    default:
      return origin.from;
  }
}

/** Names of files and values may hold anything; lines stay lines. */
function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n');
}
