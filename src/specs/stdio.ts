import { KeylaneError } from '../errors.js';
import { laneOf } from '../routing.js';
import type { StdioOptions, StdioRequest, StdioResponse, StdioServer } from '../stdio-types.js';
import type { Spec } from '../types.js';
import { check } from '../util/check.js';
import { stdioRequest } from './stdio-schema.js';

/** What a process is started from. */
export interface StdioTarget {
  /** Its name. */
  name: string;
  server: StdioServer;
  session: string | undefined;
}

/** What crosses the wall. */
export interface StdioOrder {
  method: string;
  params: object | undefined;
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
      const target: StdioTarget = { name, server, session: server.stateless ? undefined : session };
      return { key: name, lane: laneOf(name, target), target, request: { method, params, notify } };
    },
    ok: ({ error }) => error === undefined,
  };
}
