import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { SshRequest } from '../ssh-types.js';
import { commandLine } from '../util/quote.js';

/** What crosses the wall for one request. */
export type SshOrder = ExecOrder | CopyOrder | DetachedOrder | ProbeOrder;

/** A look at the connection. */
export interface ProbeOrder {
  op: 'probe';
}

/** A command. */
export interface ExecOrder {
  op: 'exec';
  /** For the login shell; `argv` is quoted by now. */
  command: string;
  stdin?: string | Uint8Array;
  /** Must be set. */
  env?: Readonly<Record<string, string>>;
  /** May be refused, as ssh_config's SetEnv and SendEnv may. */
  wishedEnv?: Readonly<Record<string, string>>;
  maxOutputBytes: number;
  encoding: 'utf8' | 'buffer';
  silenceMs?: number;
  killTree?: true;
  pty?: { columns: number; rows: number; term: string };
  sudo?: { user: string; password?: string };
  /** The id under which it is left running. */
  detach?: string;
}

/** One file, by SFTP. */
export interface CopyOrder {
  op: 'put' | 'get';
  /** Absolute; undefined: the bytes are the stream's. */
  local?: string;
  remote: string;
  /** Permissions; undefined: those of the source, or 0644. */
  mode?: number;
  /** Permissions and time of the source are kept. */
  preserve: boolean;
  /** Directories on the way are made. */
  parents?: true;
  /** What an earlier try left is gone on with. */
  resume?: true;
  maxOutputBytes: number;
}

/** A look at a detached command: `collect` takes its output and, if it has ended, removes what it left. */
export interface DetachedOrder {
  op: 'poll' | 'collect';
  id: string;
  maxOutputBytes: number;
  encoding: 'utf8' | 'buffer';
}

/** Absolute; a `/` at the end, which says that it is a directory, stays. */
function asPath(local: string): string {
  return local.endsWith('/') ? `${resolve(local)}/` : resolve(local);
}

/** What the shard is told of a request that is valid. */
export function orderOf(
  request: SshRequest,
  usualOutput: number,
  configured?: { readonly wishedEnv?: ExecOrder['wishedEnv']; readonly pty?: true },
): SshOrder {
  const { op = 'exec', encoding = 'utf8', maxOutputBytes = usualOutput } = request;
  if (op === 'probe') return { op };
  if (op === 'poll' || op === 'collect') return { op, id: request.id as string, maxOutputBytes, encoding };
  if (op === 'put' || op === 'get') {
    const { remote, mode, preserve = true, parents, resume } = request;
    const order: CopyOrder = { op, remote: remote as string, preserve, maxOutputBytes };
    if (mode !== undefined) order.mode = mode;
    if (parents) order.parents = true;
    if (resume) order.resume = true;
    // A shard has the same working directory, but may change it.
    if (request.local !== undefined) order.local = asPath(request.local);
    return order;
  }
  const { command, argv, shell, stdin, env, silenceMs, killTree, sudo, detach } = request;
  // Nobody is at the terminal of what is detached.
  const pty = request.pty ?? (configured?.pty && !detach);
  const order: ExecOrder = { op, command: command ?? commandLine(argv as string[], shell), maxOutputBytes, encoding };
  const input = typeof stdin === 'object' && 'base64' in stdin ? Buffer.from(stdin.base64, 'base64') : stdin;
  if (input !== undefined && input.length > 0) order.stdin = input;
  if (env !== undefined) order.env = env;
  if (configured?.wishedEnv !== undefined) order.wishedEnv = configured.wishedEnv;
  if (silenceMs !== undefined) order.silenceMs = silenceMs;
  if (killTree) order.killTree = true;
  if (pty) order.pty = { columns: 80, rows: 24, term: 'xterm', ...(pty === true ? {} : pty) };
  if (sudo) order.sudo = { user: 'root', ...(sudo === true ? {} : sudo) };
  if (detach) order.detach = (detach === true ? undefined : detach.id) ?? randomUUID();
  return order;
}
