/** One JSON-RPC 2.0 request to a server that the configuration names. The key is the server. */
export interface StdioRequest {
  /** A name of the option `stdio.servers`. */
  server: string;
  method: string;
  /** What JSON can carry, to a depth of 512; as text no more than `maxMessageBytes` of the server. */
  params?: object;
  /** True: a notification, which has no answer: `ok` once it is written. */
  notify?: boolean;
  /** Requests of one session meet in one process, and share it with no other session. Not with a server that is `stateless`. */
  session?: string;
}

/** The server's answer: `result`, or its `error`, which makes the outcome `failed`. */
export interface StdioResponse {
  result?: unknown;
  error?: { code: number; message: string; data?: unknown };
}

/** A command that speaks JSON-RPC on its standard input and output. */
export interface StdioServer {
  /** The program: a path, or a name that is looked up in PATH. No shell. */
  command: string;
  /** Its words. */
  args?: readonly string[];
  /** The folder that it runs in. @default that of this process */
  cwd?: string;
  /** Variables beside the few that each gets (PATH, HOME, LANG, TZ, TMPDIR, USER). Values may be references: `env:NAME`, `file:PATH`. */
  env?: Readonly<Record<string, string>>;
  /** How messages are told apart: a line each (MCP), or by their length (LSP). @default 'lines' */
  framing?: 'lines' | 'content-length';
  /** The handshake that comes first, once a process. An object: `initialize` with these params. @default 'mcp' */
  initialize?: 'mcp' | 'none' | object;
  /**
   * With `initialize: 'mcp'`: what the server is told that it may ask of us, as `{ sampling: {}, elicitation: {} }`. It can
   * then ask a stream, which answers; a `run` has nobody who could. @default nothing
   */
  capabilities?: Readonly<Record<string, unknown>>;
  /**
   * Methods that may run twice, `*` for any characters: where an answer is lost they are tried again, as far as the call's
   * `attempts` go. @default with `initialize: 'mcp'` those of MCP that only read, else none
   */
  idempotent?: readonly string[];
  /** True: all requests may share a process, whatever their session. @default false */
  stateless?: boolean;
  /** Requests in flight at once in one process. @default 64 */
  requestsPerProcess?: number;
  /** Processes at once, over all sessions. @default 4 */
  processes?: number;
  /** Times that it is started anew in a minute. @default 5 */
  restartsPerMinute?: number;
  /** Milliseconds that start and handshake may take. @default `limits.connectTimeoutMs` */
  startTimeoutMs?: number;
  /** Milliseconds without a request after which a process is ended. @default `limits.idleMs` */
  idleMs?: number;
  /** Bytes of one message. @default 16_777_216 */
  maxMessageBytes?: number;
}

export interface StdioOptions {
  /** By name. A request can start what is here, and nothing else. */
  servers?: Readonly<Record<string, StdioServer>>;
}
