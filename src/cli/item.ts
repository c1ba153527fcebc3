import type { HostAddress, KeylaneError, Result, SshRequest, SshResponse } from '../index.js';

/** One host of a run. */
export interface Item {
  /** Its place among all hosts, from 0. */
  readonly index: number;
  /** The host as typed; a line that could not be read, as it stands. */
  readonly id: string;
  /** Undefined if it could not be read. */
  readonly address: HostAddress | undefined;
  /** Why it could not be read. */
  readonly error: KeylaneError | undefined;
}

/** What became of one host. */
export type HostResult = Omit<Result<SshRequest, SshResponse>, 'index' | 'id' | 'request'>;

/** The result of a host that the engine has never seen. */
export function neverTried(error: KeylaneError): HostResult {
  return {
    key: '',
    outcome: 'not_started',
    error,
    attempts: 0,
    shard: -1,
    reused: false,
    cache: 'none',
    timing: { queuedMs: 0, openMs: 0, runMs: 0 },
    history: [],
  };
}

/** A batch's result as one of its host, account or whatever it was for. */
export function resultItem({ index, id, key, request }: Pick<Result, 'index' | 'id' | 'key' | 'request'>): Item {
  const name = nameOf(request) ?? (key || id);
  return { index, id: name, address: { host: name }, error: undefined };
}

/** Its answer, as that of a host: what other drivers answer has no stdout. */
export function answerOf({ index: _, id: __, request: ___, ...answer }: Result): HostResult {
  return answer as HostResult;
}

/** What a request is for, in a word; undefined where it says nothing that is known here. */
export function nameOf(request: unknown): string | undefined {
  const { host, key, account, server } = (typeof request === 'object' && request !== null ? request : {}) as Record<
    string,
    unknown
  >;
  return [host, key, account, server].find((name) => typeof name === 'string');
}
