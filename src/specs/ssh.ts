import type { HostKeys, Spec, SshRequest, SshResponse } from '../types.js';
import { check } from '../util/check.js';
import { quoteArgv } from '../util/quote.js';
import { Lanes } from './ssh-lanes.js';
import { sshRequest } from './ssh-schema.js';

export { sshOptions } from './ssh-schema.js';

/** Defaults of all `ssh` requests of an engine; a request's own field goes before. */
export interface SshOptions {
  /** @default the user of this process */
  user?: string;
  /** @default 22 */
  port?: number;
  /** Path of a private key. @default the agent, then ~/.ssh/id_ed25519, id_ecdsa, id_rsa */
  identity?: string;
  /** Passphrase of the private key, as a reference: `env:NAME` or `file:PATH`. */
  passphrase?: string;
  /** Password, as a reference: `env:NAME` or `file:PATH`. */
  password?: string;
  /** Path of the known_hosts file. @default ~/.ssh/known_hosts, then /etc/ssh/ssh_known_hosts */
  knownHosts?: string;
  /** @default 'strict' */
  hostKeys?: HostKeys;
  /** Bytes kept of each of stdout and stderr. @default 1_048_576 */
  maxOutputBytes?: number;
  /** A connection that was silent so long is asked for a sign of life; three without an answer and it is lost. 0: never asked. @default 15_000 */
  keepaliveMs?: number;
  /** Deadline of opening a connection, of a channel and of the start of a command, each. @default 10_000 */
  connectTimeoutMs?: number;
  /** Commands that one connection runs at once. sshd refuses more than its MaxSessions, which is 10. @default 10 */
  streams?: number;
}

/** What a lane's connections are opened to: everything that changes a connection, and nothing else. */
export interface SshTarget {
  /** Lower case; an IPv6 address without brackets. */
  host: string;
  port: number;
  user: string;
  /** Absolute path of the only private key to try. */
  identity?: string;
  /** References, never the secrets themselves. */
  passphrase?: string;
  password?: string;
  /** Absolute path; without it the two of OpenSSH. */
  knownHosts?: string;
  hostKeys: HostKeys;
  /** The agent's socket; only without `identity`. */
  agent?: string;
  /** Where ~/.ssh is; only where a file of it may be read. */
  home?: string;
  keepaliveMs: number;
  connectTimeoutMs: number;
  streams: number;
}

/** What crosses the wall for one command. */
export interface SshOrder {
  /** For the login shell; `argv` is quoted by now. */
  command: string;
  stdin?: string | Uint8Array;
  env?: Readonly<Record<string, string>>;
  maxOutputBytes: number;
  encoding: 'utf8' | 'buffer';
}

export const SSH_DEFAULTS = {
  port: 22,
  hostKeys: 'strict',
  maxOutputBytes: 1 << 20,
  keepaliveMs: 15_000,
  connectTimeoutMs: 10_000,
  streams: 10,
} as const satisfies SshOptions;

/** The `ssh` spec, with an engine's defaults. They are not checked here: `sshOptions` is their schema. */
export function makeSshSpec(defaults: SshOptions = {}): Spec<SshRequest, SshOrder, SshResponse> {
  const lanes = new Lanes({ ...SSH_DEFAULTS, ...defaults });
  return {
    name: 'ssh',

    parse(input) {
      const request = check(sshRequest, input, 'ssh', 'ERR_INPUT');
      const { command, argv, stdin, env, encoding = 'utf8' } = request;
      const order: SshOrder = {
        command: command ?? quoteArgv(argv as string[]),
        maxOutputBytes: request.maxOutputBytes ?? defaults.maxOutputBytes ?? SSH_DEFAULTS.maxOutputBytes,
        encoding,
      };
      if (stdin !== undefined && stdin.length > 0) order.stdin = stdin;
      if (env !== undefined) order.env = env;
      const { key, lane, target } = lanes.of(request);
      return { key, lane, target, request: order };
    },

    ok: (response) => response.code === 0 && response.signal === null,
  };
}
