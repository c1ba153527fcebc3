import { pathOf } from '../util/check.js';
import { isObject, type Layer, type Merged, type Path } from './merge.js';
import { wordsOf } from './origins.js';

/*
 * A file that was only found may lie in a folder that somebody else made: an unpacked archive, a clone. What it says is
 * taken, but it must not have code run, neither by itself nor by what its reader allowed for commands of their own, and
 * it must not lend out its reader's agent or say whom its reader's requests go through.
 */

const FIX = 'name the file (--config, KEYLANE_CONFIG)';

const HARMLESS_HTTP: ReadonlySet<string> = new Set(['connections', 'maxBodyBytes', 'redirects', 'http2']);

const HARMLESS_SMTP: ReadonlySet<string> = new Set([
  ...['preset', 'connections', 'messagesPerMinute', 'recipientsPerDay'],
  ...['messagesPerConnection', 'maxAgeMs', 'replyTimeoutMs'],
]);

/** What a found file asks for that it may not have. */
export function untrusted({ values, originOf }: Layer): string[] {
  const { ssh, drivers, allowCommands, serve, stdio, http, smtp } = values;
  const asked: [Path, string][] = [];
  if (serve !== undefined) asked.push([['serve'], 'say who may have requests run here']);
  if (drivers !== undefined) asked.push([['drivers'], 'run code']);
  if (isObject(stdio) && stdio.servers !== undefined) asked.push([['stdio', 'servers'], 'start commands']);
  // Who is trusted and what is shown to whom: a proxy of its own would hear all, and get the secret that it asks for.
  for (const field of isObject(http) ? Object.keys(http) : [])
    if (!HARMLESS_HTTP.has(field)) asked.push([['http', field], 'say what requests go through, trust and may reach']);
  // A server of its own would be told the mail, and the secret that the file names.
  for (const field of isObject(smtp) ? Object.keys(smtp) : [])
    if (!HARMLESS_SMTP.has(field)) asked.push([['smtp', field], 'say where mail goes, and as whom']);
  if (isObject(ssh) && ssh.allowExec === true) asked.push([['ssh', 'allowExec'], 'run code']);
  if (allowCommands === true) asked.push([['allowCommands'], 'run code']);
  for (const path of named(values, [], (name, value) => name === 'forwardAgent' && value !== false))
    asked.push([path, 'lend out your agent']);
  return asked.map(([path, would]) => {
    const place = `${wordsOf(originOf(path))}: ${pathOf('', path)}`;
    return `${place}: would ${would}, and this file was only found; write it in your own (\`keylane config path\`), or ${FIX}`;
  });
}

/**
 * What a file of another user asks for that not even its name lends it: whoever owns it can say anew at any time what is
 * started as us, with the variables and secrets that go to a server.
 */
export function foreign({ values, originOf }: Layer): string[] {
  const { stdio } = values;
  if (!isObject(stdio) || stdio.servers === undefined) return [];
  const place = `${wordsOf(originOf(['stdio', 'servers']))}: stdio.servers`;
  return [`${place}: would start commands, and the file belongs to another user; chown it, or copy it`];
}

/** Commands that a found file names, where it is the user's own file that allows commands: it means its own. */
export function borrowedTrust(found: Layer, merged: Merged, ownFile: string): string[] {
  const isOwn = (path: Path) => {
    const origin = merged.originOf(path);
    return origin?.from === 'file' && origin.file === ownFile;
  };
  const { allowCommands, ssh } = merged.values;
  const asked: [Path, string][] = [];
  if (allowCommands === true && isOwn(['allowCommands'])) {
    for (const path of named(found.values, [], isCommand)) asked.push([path, 'KEYLANE_ALLOW_COMMANDS=true']);
    // Where the accounts lie, whose references may be commands.
    if (found.values.dataDir !== undefined) asked.push([['dataDir'], 'KEYLANE_ALLOW_COMMANDS=true']);
  }
  const execs = isObject(ssh) && ssh.allowExec === true && isOwn(['ssh', 'allowExec']);
  if (execs && isObject(found.values.ssh) && typeof found.values.ssh.config === 'string')
    asked.push([['ssh', 'config'], '--allow-exec']);
  return asked.map(([path, allow]) => {
    const place = `${wordsOf(found.originOf(path))}: ${pathOf('', path)}`;
    return `${place}: may run commands, and this file was only found; allow it for this run by ${allow}, or ${FIX}`;
  });
}

function isCommand(name: PropertyKey, value: unknown): boolean {
  return (typeof value === 'string' && value.startsWith('cmd:')) || (name === 'command' && Array.isArray(value));
}

/** The paths of what is looked for, however deep. */
function* named(holder: unknown, path: Path, is: (name: PropertyKey, value: unknown) => boolean): Generator<Path> {
  if (typeof holder !== 'object' || holder === null) return;
  for (const [key, value] of Object.entries(holder)) {
    const name = Array.isArray(holder) ? Number(key) : key;
    if (is(name, value)) yield [...path, name];
    yield* named(value, [...path, name], is);
  }
}
