import { join, resolve } from 'node:path';
import { KeylaneError } from '../../errors.js';
import { dataDirectory } from '../../store/data-dir.js';
import { privateDirectory } from '../../store/directory.js';
import { type Clock, systemClock } from '../../util/clock.js';
import { SingleFlight } from '../../util/single-flight.js';
import { nameOf, runCommand } from './command.js';
import { formatOf } from './format.js';
import { readGiven } from './given-groups.js';
import { Groups } from './groups.js';
import { keepOutput, keptOutput, outputKey } from './kept-output.js';
import { Mistakes } from './mistakes.js';
import { type How, parse } from './parse.js';
import { readText } from './read.js';
import { resultOf } from './result.js';
import { checkInventory } from './schema.js';
import { readSshAliases } from './ssh-aliases.js';
import type { Inventory, InventoryCommand, InventorySource } from './types.js';

export interface InventoryOptions {
  /** Leave out what cannot be read, with a warning each, instead of failing. @default false */
  skipBad?: boolean;
  /** Sources that are commands may be run. @default false */
  allowCommands?: boolean;
  /** Keep the outputs of commands on disk too, for later processes. @default false */
  persist?: boolean;
  /** Where. @default `keylane` in the XDG data home */
  dataDir?: string;
  /** @internal */
  clock?: Clock;
  /** Of the wall, for the age of outputs. @internal */
  wallNow?: () => number;
}

const TTL_MS = 300_000;
const TIMEOUT_MS = 30_000;

const running = new SingleFlight<string>();

/**
 * Reads hosts and groups from one source or several. Of several, the later add to the earlier, and their variables count
 * more. The result is frozen.
 *
 * @throws KeylaneError `ERR_CONFIG`: file, line and what was expected · `ERR_CONFIG_UNSUPPORTED` what cannot be followed
 */
export async function loadInventory(
  source: InventorySource | readonly InventorySource[],
  options: InventoryOptions = {},
): Promise<Inventory> {
  const { sources, settings } = checkInventory(source, options);
  const mistakes = new Mistakes(settings.skipBad ?? false);
  const groups = new Groups(mistakes);
  for (const one of sources) await readSource(one, groups, mistakes, settings);
  groups.settle();
  return resultOf(groups, mistakes.warnings);
}

async function readSource(
  source: Exclude<InventorySource, string>,
  groups: Groups,
  mistakes: Mistakes,
  options: InventoryOptions,
): Promise<void> {
  if ('groups' in source) return readGiven(source, groups, mistakes);
  const how = { map: source.map ?? {}, groups, mistakes };
  if ('command' in source) return readCommand(source, how, options);
  const { file, format = source.map && 'json' } = source;
  // It reads itself, with what it includes.
  const text = format === 'ssh-config' ? '' : await readText(file);
  if ((format ?? formatOf(file, text)) === 'ssh-config') readSshAliases(resolve(file), groups, mistakes);
  else parse(text, file, format, how);
}

async function readCommand(source: InventoryCommand, how: How, options: InventoryOptions): Promise<void> {
  const { command, ttlMs = TTL_MS, staleOk = false, timeoutMs = TIMEOUT_MS } = source;
  const { clock = systemClock, wallNow = Date.now } = options;
  const name = nameOf(command);
  if (!options.allowCommands) {
    throw new KeylaneError('ERR_CONFIG', `${name}: is not run for an inventory: allow it by \`allowCommands\``);
  }
  const cwd = resolve(source.cwd ?? '.');
  const key = outputKey(command, cwd);
  const folder = options.persist ? folderOf(options.dataDir, how.mistakes) : undefined;
  const known = await keptOutput(key, folder);
  const read = (text: string) => {
    how.groups.isForeign = true;
    parse(text, name, source.format ?? (source.map && 'json'), how);
    how.groups.isForeign = false;
  };
  const age = known === undefined ? -1 : wallNow() - known.storedAt;
  // A clock that was set back tells no age.
  if (known !== undefined && age >= 0 && age < ttlMs) return read(known.text);
  let text: string;
  try {
    text = await running.run(key, () => runCommand(command, { cwd, timeoutMs, clock }));
  } catch (error) {
    if (!(error instanceof KeylaneError) || !staleOk || known === undefined) throw error;
    const minutes = Math.max(0, Math.round(age / 60_000));
    how.mistakes.warn(`${error.message}; taken is what it printed ${minutes} minutes ago`);
    return read(known.text);
  }
  const before = how.mistakes.leftOut;
  read(text);
  // What is refused, be it for a secret in clear, is written nowhere.
  const problem = await keepOutput(
    key,
    { text, storedAt: wallNow() },
    how.mistakes.leftOut === before ? folder : undefined,
  );
  if (problem !== undefined) how.mistakes.warn(problem);
}

/** Where outputs are kept; undefined, with a warning, where they cannot be: a cache that fails costs time, no inventory. */
function folderOf(dataDir: string | undefined, mistakes: Mistakes): string | undefined {
  try {
    const folder = join(dataDirectory(dataDir), 'inventories');
    privateDirectory(folder);
    return folder;
  } catch (error) {
    if (!(error instanceof KeylaneError)) throw error;
    mistakes.warn(`outputs of commands are not kept on disk: ${error.message}`);
    return undefined;
  }
}
