import type { HostKeys, SshAccess, SshAlgorithms, SshHop, SshRequest, SshResponse } from '../ssh-types.js';
import type { Spec } from '../types.js';
import { check } from '../util/check.js';
import { hopsOf } from './ssh-jump.js';
import { accessOf, Lanes } from './ssh-lanes.js';
import { orderOf, type SshOrder } from './ssh-orders.js';
import { sshRequest } from './ssh-schema.js';

export type { CopyOrder, DetachedOrder, ExecOrder, SshOrder } from './ssh-orders.js';
export { sshOptions } from './ssh-schema.js';

/** Defaults of all `ssh` requests of an engine; a request's own field goes before. */
export interface SshOptions extends SshAccess {
  /** Hosts to go through, for requests that do not name their own. */
  jump?: string | readonly (string | SshHop)[];
  /** Bytes kept of each of stdout and stderr. @default 1_048_576 */
  maxOutputBytes?: number;
  /** A connection that was silent so long is asked for a sign of life. 0: never asked. @default 15_000 */
  keepaliveMs?: number;
  /** Questions without an answer after which a connection is lost. @default 3 */
  keepaliveCount?: number;
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
  /** Absolute paths of the private keys to try; undefined: those of OpenSSH, in `home`. */
  identities?: readonly string[];
  /** Only these keys: of the agent's, those among them. */
  identitiesOnly: boolean;
  /** The agent's socket. */
  agent?: string;
  /** References, never the secrets themselves. */
  passphrase?: string;
  password?: string;
  /** Absolute paths, the one to add to first; undefined: the two of OpenSSH. */
  knownHosts?: readonly string[];
  hostKeyAlias?: string;
  hashKnownHosts?: boolean;
  hostKeys: HostKeys;
  /** Where ~/.ssh is; only where a file of it may be read. */
  home?: string;
  algorithms?: SshAlgorithms;
  bindAddress?: string;
  addressFamily?: 'inet' | 'inet6';
  /** The host to go through: a lane of the same key, and so on to the first hop, which the key is named after. */
  jump?: SshTarget;
  transport: 'ssh2' | 'openssh';
  keepaliveMs: number;
  keepaliveCount: number;
  connectTimeoutMs: number;
  streams: number;
}

export const SSH_DEFAULTS = {
  port: 22,
  hostKeys: 'strict',
  maxOutputBytes: 1 << 20,
  keepaliveMs: 15_000,
  keepaliveCount: 3,
  connectTimeoutMs: 10_000,
  streams: 10,
} as const satisfies SshOptions;

/** The `ssh` spec, with an engine's defaults. They are not checked here: `sshOptions` is their schema. */
export function makeSshSpec(defaults: SshOptions = {}): Spec<SshRequest, SshOrder, SshResponse> {
  const { jump: usual, ...access } = defaults;
  const lanes = new Lanes({ ...SSH_DEFAULTS, ...access });
  return {
    name: 'ssh',

    parse(input) {
      const request = check(sshRequest, input, 'ssh', 'ERR_INPUT') as SshRequest;
      const { key, lane, target } = lanes.of(accessOf(request), hopsOf(request.jump ?? usual));
      const order = orderOf(request, defaults.maxOutputBytes ?? SSH_DEFAULTS.maxOutputBytes);
      return { key, lane, target, request: order };
    },

    ok: ({ code, signal, detached }) => detached?.running || (code === 0 && signal === null),
  };
}
