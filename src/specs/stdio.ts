import { KeylaneError } from '../errors.js';
import type { StdioOptions, StdioRequest, StdioResponse, StdioServer } from '../stdio-types.js';
import type { Spec } from '../types.js';
import { check } from '../util/check.js';
import { nearest } from '../util/nearest.js';
import { paramsText, sortedText } from './stdio-params.js';
import { plainRequest, stdioRequest } from './stdio-schema.js';
import { type KnownServer, knownServer, laneFor, minimalEnv } from './stdio-server.js';

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
  /** Undefined: as long as the engine allows. */
  startTimeoutMs: number | undefined;
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

const SERVERS_TOLD = 10;

/** The `stdio` spec: requests name a server, the engine's options say what that is. `env`: our own variables. */
export function makeStdioSpec(
  { servers = {} }: StdioOptions = {},
  env: Readonly<Record<string, string | undefined>> = process.env,
): Spec<StdioRequest, StdioOrder, StdioResponse> {
  const few = minimalEnv(env);
  const known = new Map<string, KnownServer>();
  const find = (name: string): KnownServer => {
    let found = known.get(name);
    if (found) return found;
    if (!Object.hasOwn(servers, name)) throw unknownServer(name, Object.keys(servers));
    found = knownServer(name, servers[name] as StdioServer, few);
    known.set(name, found);
    return found;
  };
  return {
    name: 'stdio',
    parse(input) {
      const request = plainRequest(input) ?? (check(stdioRequest, input, 'stdio', 'ERR_INPUT') as StdioRequest);
      const { server: name, method, params, notify = false, session } = request;
      const found = find(name);
      const { handshake, maxMessageBytes } = found.shared.target;
      const why =
        OURS_TO_SEND.get(method) ?? (handshake.kind === 'initialize' ? OF_THE_HANDSHAKE.get(method) : undefined);
      if (why !== undefined) throw new KeylaneError('ERR_INPUT', `stdio.method: ${why}`, { key: name });
      const order: StdioOrder = { method, params: params && paramsText(params, maxMessageBytes), notify };
      const token = progressTokenOf(params);
      if (token !== undefined) order.progressToken = token;
      const { lane, target } = laneFor(found, session);
      const parsed = { key: name, lane, target, request: order };
      return found.isIdempotent(method) ? { ...parsed, idempotent: true } : parsed;
    },
    ok: ({ error }) => error === undefined,
    same: ({ params, ...order }) => ({ ...order, params: params && sortedText(params) }),
  };
}

const CANCEL = 'a request is called off by its own `signal`; then keylane sends this';
const FAREWELL = 'keylane says it when it ends the process, which others may share';
const HANDSHAKE = 'keylane makes the handshake, once a process; leave it out, or say `initialize: none` of the server';

/** Ids are the process's, which others may share: whoever could send these could call off what others have asked. */
const OURS_TO_SEND: ReadonlyMap<string, string> = new Map([
  ['notifications/cancelled', CANCEL],
  ['$/cancelRequest', CANCEL],
]);

/** What begins and ends a process that language servers and their like are: of MCP the driver knows the answer already. */
const OF_THE_HANDSHAKE: ReadonlyMap<string, string> = new Map([
  ['initialize', HANDSHAKE],
  ['initialized', HANDSHAKE],
  ['shutdown', FAREWELL],
  ['exit', FAREWELL],
]);

/** MCP 2025-06-18, "Progress": a text or a number that the caller has chosen. */
function progressTokenOf(params: object | undefined): string | number | undefined {
  const token = (params as { _meta?: { progressToken?: unknown } | null } | undefined)?._meta?.progressToken;
  return typeof token === 'string' || typeof token === 'number' ? token : undefined;
}

function unknownServer(name: string, known: readonly string[]): KeylaneError {
  const near = nearest(name, known);
  const hint = near === undefined ? told(known) : `did you mean \`${near}\`?`;
  return new KeylaneError(
    'ERR_INPUT',
    `stdio.server: the configuration has no server ${JSON.stringify(name)}; ${hint}`,
  );
}

function told(known: readonly string[]): string {
  if (known.length === 0) return 'it has none at all: name it in `stdio.servers`';
  const more = known.length > SERVERS_TOLD ? ` and ${known.length - SERVERS_TOLD} more` : '';
  return `known are ${known.slice(0, SERVERS_TOLD).join(', ')}${more}`;
}
