import { hash } from 'node:crypto';
import { homedir } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import { laneOf } from '../routing.js';
import type { StdioServer } from '../stdio-types.js';
import { globMatches } from '../util/glob.js';
import type { StdioHandshake, StdioTarget } from './stdio.js';

/** One of the servers, as requests are checked against it. */
export interface KnownServer {
  /** Of the process that requests without a session share. */
  readonly shared: { lane: string; target: StdioTarget };
  /** Is the method one that may run twice? */
  isIdempotent(method: string): boolean;
}

/** Variables that a process gets of ours, and no other: whatever else is set may be a secret that is none of its business. */
const OURS: ReadonlySet<string> = new Set(['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'USER']);

/** Those of MCP's methods that only read. (Specification 2025-06-18, server features) */
const READING: readonly string[] = [
  'ping',
  'tools/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'prompts/list',
  'prompts/get',
  'completion/complete',
];

/** What our own variables lend to a process. */
export function minimalEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const few: Record<string, string> = {};
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && (OURS.has(name) || name.startsWith('LC_'))) few[name] = value;
  return few;
}

/** `env`: what our own variables lend. */
export function knownServer(name: string, server: StdioServer, env: Readonly<Record<string, string>>): KnownServer {
  const { command, cwd = '.', initialize = 'mcp', idempotent = initialize === 'mcp' ? READING : [] } = server;
  const own = Object.entries(server.env ?? {});
  const target: StdioTarget = {
    name,
    session: undefined,
    stateless: server.stateless ?? false,
    command: command.includes('/') ? absolute(command) : command,
    args: server.args ?? [],
    cwd: absolute(cwd),
    env: { ...env, ...Object.fromEntries(own.filter(([, value]) => !REFERENCE.test(value))) },
    secrets: Object.fromEntries(own.filter(([, value]) => REFERENCE.test(value))),
    framing: server.framing ?? 'lines',
    handshake: handshakeOf(server),
    requestsPerProcess: server.requestsPerProcess ?? 64,
    processes: server.processes ?? 4,
    restartsPerMinute: server.restartsPerMinute ?? 5,
    startTimeoutMs: server.startTimeoutMs,
    idleMs: server.idleMs,
    maxMessageBytes: server.maxMessageBytes ?? 16_777_216,
  };
  // By its hash: a lane is shown, and an environment may hold what is nobody's to see.
  const lane = `${name} ${hash('sha256', laneOf(name, target))}`;
  const exact = new Set(idempotent);
  const globs = idempotent.filter((method) => method.includes('*'));
  return {
    shared: { lane, target },
    isIdempotent: (method) => exact.has(method) || globs.some((glob) => globMatches(glob, method)),
  };
}

const REFERENCE = /^(env|file|cmd):/;

function handshakeOf({ initialize = 'mcp', capabilities = {} }: StdioServer): StdioHandshake {
  if (initialize === 'none') return { kind: 'none' };
  return initialize === 'mcp' ? { kind: 'mcp', capabilities } : { kind: 'initialize', params: initialize };
}

/** Of a session, a process of its own. */
export function laneFor({ shared }: KnownServer, session: string | undefined): KnownServer['shared'] {
  if (session === undefined || shared.target.stateless) return shared;
  return { lane: `${shared.lane} ${session}`, target: { ...shared.target, session } };
}

/** A shard has the same working directory, but what is in a lane must mean one file for ever. */
function absolute(path: string): string {
  if (path.startsWith('~/')) return resolve(homedir(), path.slice(2));
  return isAbsolute(path) ? path : resolve(path);
}
