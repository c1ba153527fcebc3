import { KeylaneError } from '../errors.js';
import { laneOf } from '../routing.js';
import type { StdioOptions, StdioRequest, StdioResponse, StdioServer } from '../stdio-types.js';
import type { Spec } from '../types.js';
import { check } from '../util/check.js';
import { stdioRequest } from './stdio-schema.js';

/** What a process is started from, and what is asked of it: everything said, nothing left to a default. */
export interface StdioTarget {
  /** Its name: the key. */
  name: string;
  /** Undefined for all requests that name none, and where the server is `stateless`. */
  session: string | undefined;
  stateless: boolean;
  command: string;
  args: readonly string[];
  cwd: string | undefined;
  /** All variables that it gets, but for those of `secrets` and one by which its processes are found again. */
  env: Readonly<Record<string, string>>;
  /** Variable → reference (`env:NAME`, `file:PATH`): the value is asked for when it is started. */
  secrets: Readonly<Record<string, string>>;
  framing: 'lines' | 'content-length';
  handshake: StdioHandshake;
  requestsPerProcess: number;
  processes: number;
  restartsPerMinute: number;
  startTimeoutMs: number;
  /** Undefined: the engine's. */
  idleMs: number | undefined;
  maxMessageBytes: number;
}

/** `capabilities`: what a client tells a server that it may be asked for, by streams that can answer. */
export type StdioHandshake =
  | { kind: 'mcp'; capabilities: Readonly<Record<string, unknown>> }
  | { kind: 'initialize'; params: object }
  | { kind: 'none' };

/** What crosses the wall. */
export interface StdioOrder {
  method: string;
  /** As JSON, of an object or an array: written once, and passed on as it is. */
  params: string | undefined;
  /** `params._meta.progressToken`, of MCP: each process has tokens of its own, and what comes has the caller's again. */
  progressToken?: string | number;
  notify: boolean;
}

/** The `stdio` spec: requests name a server, the engine's options say what that is. */
export function makeStdioSpec({ servers = {} }: StdioOptions = {}): Spec<StdioRequest, StdioOrder, StdioResponse> {
  return {
    name: 'stdio',
    parse(input) {
      const request = check(stdioRequest, input, 'stdio', 'ERR_INPUT') as StdioRequest;
      const { server: name, method, params, notify = false, session } = request;
      const server = Object.hasOwn(servers, name) ? servers[name] : undefined;
      if (!server)
        throw new KeylaneError('ERR_INPUT', `stdio.server: the configuration has no server ${JSON.stringify(name)}`);
      const target = targetOf(name, server, server.stateless ? undefined : session);
      const text = params && JSON.stringify(params);
      return { key: name, lane: laneOf(name, target), target, request: { method, params: text, notify } };
    },
    ok: ({ error }) => error === undefined,
  };
}

function targetOf(name: string, server: StdioServer, session: string | undefined): StdioTarget {
  const { initialize = 'mcp' } = server;
  const own = Object.entries(server.env ?? {});
  const isReference = ([, value]: [string, string]) => /^(env|file):/.test(value);
  return {
    name,
    session,
    stateless: server.stateless ?? false,
    command: server.command,
    args: server.args ?? [],
    cwd: server.cwd,
    env: { PATH: process.env.PATH ?? '', ...Object.fromEntries(own.filter((entry) => !isReference(entry))) },
    secrets: Object.fromEntries(own.filter(isReference)),
    framing: server.framing ?? 'lines',
    handshake:
      initialize === 'mcp'
        ? { kind: 'mcp', capabilities: {} }
        : initialize === 'none'
          ? { kind: 'none' }
          : { kind: 'initialize', params: initialize },
    requestsPerProcess: server.requestsPerProcess ?? 64,
    processes: server.processes ?? 4,
    restartsPerMinute: server.restartsPerMinute ?? 5,
    startTimeoutMs: server.startTimeoutMs ?? 10_000,
    idleMs: server.idleMs,
    maxMessageBytes: server.maxMessageBytes ?? 16 << 20,
  };
}
