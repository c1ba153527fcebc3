import type { HostKeys, SshAccess, SshAlgorithms, SshHop, SshRequest, SshResponse } from '../ssh-types.js';
import type { HostKeyQuestion, Spec } from '../types.js';
import { check } from '../util/check.js';
import { SSH_DEFAULTS } from './ssh-defaults.js';
import { hopsOf } from './ssh-jump.js';
import { accessOf, Lanes } from './ssh-lanes.js';
import { orderOf, type SshOrder } from './ssh-orders.js';
import { plainRequest } from './ssh-plain.js';
import { type Route, Router } from './ssh-route.js';
import { sshRequest } from './ssh-schema.js';

export type { CopyOrder, DetachedOrder, ExecOrder, SshOrder } from './ssh-orders.js';
export { sshAccess, sshOptions } from './ssh-schema.js';

/** Defaults of all `ssh` requests of an engine; a request's own field goes before. */
export interface SshOptions extends SshAccess {
  /** Hosts to go through, for requests that do not name their own. */
  jump?: string | readonly (string | SshHop)[];
  /**
   * Read ssh_config: true as ssh does (~/.ssh/config, then /etc/ssh/ssh_config), or the path of one file. What is said
   * here or in a request goes before it. What it asks for and keylane cannot do fails with `ERR_CONFIG_UNSUPPORTED`.
   * @default false
   */
  config?: boolean | string;
  /**
   * Asked about the key of an unknown host where `hostKeys` is `ask`: one question at a time, 120 s for each. Exactly
   * true adds the key to the file; anything else refuses the host.
   */
  confirmHostKey?: (about: HostKeyQuestion) => boolean | Promise<boolean>;
  /** True: commands that ssh_config names (`Match exec`, ProxyCommand, KnownHostsCommand) may be run. @default false */
  allowExec?: boolean;
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
  /** The socket of the agent that commands may use. */
  forwardAgent?: string;
  /** The ways to log in, in their order; undefined: all of ours. */
  methods?: readonly string[];
  /** Shorter RSA keys do not count, the host's and ours. */
  requiredRsaBits?: number;
  /** Of our keys: the algorithms that they may sign with; undefined: all. */
  pubkeyAlgorithms?: readonly string[];
  /** How often a TCP connection is tried; undefined: once. */
  attempts?: number;
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
  /** Of the transport `openssh`: the host as it was typed, and the file that ssh is to read (`-F`). */
  openSsh?: { alias: string; config: 'none' | 'default' | (string & {}) };
  /** Of the transport `openssh`, for a probe: `ssh` tells what it does, so the connection is one of its own. */
  told?: true;
  keepaliveMs: number;
  keepaliveCount: number;
  connectTimeoutMs: number;
  streams: number;
}

/** A request with its way, as `resolve` found it. */
class Routed {
  readonly request: SshRequest;
  readonly route: Route;

  constructor(request: SshRequest, route: Route) {
    this.request = request;
    this.route = route;
  }
}

/** The `ssh` spec, with an engine's defaults. They are not checked here: `sshOptions` is their schema. */
export function makeSshSpec(options: SshOptions = {}): Spec<SshRequest | Routed, SshOrder, SshResponse> {
  const lanes = new Lanes(options);
  const { config = false, maxOutputBytes = SSH_DEFAULTS.maxOutputBytes } = options;
  const read = (input: unknown) => plainRequest(input) ?? (check(sshRequest, input, 'ssh', 'ERR_INPUT') as SshRequest);
  const spec: Spec<SshRequest | Routed, SshOrder, SshResponse> = {
    name: 'ssh',

    parse(input) {
      const routed = input instanceof Routed;
      const request = routed ? input.request : read(input);
      const route = routed ? input.route : { host: accessOf(request), hops: hopsOf(request.jump ?? options.jump) };
      const found = lanes.of(route);
      const { key, lane, target } = request.op === 'probe' ? lanes.told(found) : found;
      return { key, lane, target, request: orderOf(request, maxOutputBytes, route.host.configured) };
    },

    ok: ({ code, signal, detached }) => detached?.running || (code === 0 && signal === null),
  };
  if (config === false) return spec;
  const router = new Router(options);
  return {
    ...spec,
    resolve(input) {
      const request = read(input);
      const route = router.find(request);
      return route instanceof Promise ? route.then((found) => new Routed(request, found)) : new Routed(request, route);
    },
  };
}
