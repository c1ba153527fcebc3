import { pathOf } from '../util/check.js';
import { isObject, type Layer, type Merged, type Path } from './merge.js';
import { wordsOf } from './origins.js';

/*
 * A file that was only found may lie in a folder that somebody else made: an unpacked archive, a clone. What it says is
 * taken, but it must not have code run, neither by itself nor by what its reader allowed for commands of their own.
 */

const FIX = 'name the file (--config, KEYLANE_CONFIG)';

/** What a found file asks for that would run code. */
export function untrusted({ values, originOf }: Layer): string[] {
  const { ssh, drivers, allowCommands } = values;
  const runs: [Path, boolean][] = [
    [['drivers'], drivers !== undefined],
    [['ssh', 'allowExec'], isObject(ssh) && ssh.allowExec === true],
    [['allowCommands'], allowCommands === true],
  ];
  return runs
    .filter(([, asked]) => asked)
    .map(([path]) => {
      const place = `${wordsOf(originOf(path))}: ${pathOf('', path)}`;
      return `${place}: would run code, and this file was only found; write it in your own (\`keylane config path\`), or ${FIX}`;
    });
}

/** Commands that a found file names, where it is the user's own file that allows commands: it means its own. */
export function borrowedTrust(found: Layer, merged: Merged, ownFile: string): string[] {
  const isOwn = (path: Path) => {
    const origin = merged.originOf(path);
    return origin?.from === 'file' && origin.file === ownFile;
  };
  const { allowCommands, ssh } = merged.values;
  const named: [Path, string][] = [];
  if (allowCommands === true && isOwn(['allowCommands'])) {
    for (const path of commandsIn(found.values, [])) named.push([path, 'KEYLANE_ALLOW_COMMANDS=true']);
    // Where the accounts lie, whose references may be commands.
    if (found.values.dataDir !== undefined) named.push([['dataDir'], 'KEYLANE_ALLOW_COMMANDS=true']);
  }
  const execs = isObject(ssh) && ssh.allowExec === true && isOwn(['ssh', 'allowExec']);
  if (execs && isObject(found.values.ssh) && typeof found.values.ssh.config === 'string')
    named.push([['ssh', 'config'], '--allow-exec']);
  return named.map(([path, allow]) => {
    const place = `${wordsOf(found.originOf(path))}: ${pathOf('', path)}`;
    return `${place}: may run commands, and this file was only found; allow it for this run by ${allow}, or ${FIX}`;
  });
}

function* commandsIn(value: unknown, path: Path): Generator<Path> {
  if (typeof value === 'string' && value.startsWith('cmd:')) yield path;
  if (path.length === 3 && path[0] === 'inventories' && path[2] === 'command') yield path;
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value))
    yield* commandsIn(inner, [...path, Array.isArray(value) ? Number(name) : name]);
}
