import type { ErrorCode } from './errors.js';
import { notice } from './util/notice.js';

/** What a shard tells of itself, as it happens. */
export type ShardEvent =
  /** A peer failed so often in a row (to be connected to, or to take our log-in) that nobody is let try for `forMs`. */
  | {
      type: 'breaker_open';
      key: string;
      what: 'connect' | 'log_in';
      forMs: number;
      failures: number;
      message: string;
    }
  | { type: 'breaker_closed'; key: string; what: 'connect' | 'log_in' }
  /** A driver holds a stream for longer than `limits.leakMs`; `stack` is where it was taken. */
  | { type: 'lease_leaked'; key: string; heldMs: number; stack: string }
  /** One that was told of as leaked came back. */
  | { type: 'lease_returned'; key: string; heldMs: number };

/** What the main thread tells of a shard. `key` is the one whose code was running. */
export type SupervisionEvent =
  | { type: 'shard_blocked'; stillMs: number; key?: string }
  | { type: 'shard_died'; message: string; key?: string }
  | { type: 'shard_serving'; restarts: number }
  /** It cannot be started: calls to its keys are refused until it can. */
  | { type: 'shard_degraded'; message: string }
  /** The key's requests killed the thread `deaths` times: they are refused for `forMs`. */
  | { type: 'key_quarantined'; key: string; deaths: number; forMs: number }
  | { type: 'key_moved'; key: string; to: number };

/** What the main thread tells of the whole process. */
export type ProcessEvent =
  /** It holds more memory than `limits.rssMb`: calls are refused until it holds less. */
  | { type: 'memory_high'; rssMb: number; limitMb: number }
  | { type: 'memory_well'; rssMb: number; limitMb: number }
  /** Answers on disk cannot be used: requests go on without. Told once. */
  | { type: 'cache_failed'; message: string };

/** What is told of accounts' access tokens; never a token, never a secret. */
export type TokenEvent =
  /** The token server gave none, and is not asked again for `forMs`. */
  | { type: 'token_refused'; account: string; code: ErrorCode; message: string; forMs: number }
  /** The server has replaced the refresh token, and the new one cannot be stored: it is lost with this process. */
  | { type: 'token_unstored'; account: string; message: string }
  /** Tokens cannot be shared with other processes. */
  | { type: 'tokens_unshared'; message: string };

/** What an engine tells of itself beside results (`onEvent`): for logs and dashboards. Times are milliseconds. */
export type EngineEvent =
  | ((ShardEvent | SupervisionEvent) & { shard: number })
  | ((ProcessEvent | TokenEvent) & { shard?: undefined });

export type OnEvent = (event: EngineEvent) => void;

/** Somebody must hear of these, asked for or not. */
const GRAVE: readonly EngineEvent['type'][] = [
  'shard_blocked',
  'shard_died',
  'shard_degraded',
  'key_quarantined',
  'memory_high',
  'cache_failed',
  'token_unstored',
  'tokens_unshared',
];

/** Hands events to the program; without a listener the grave ones become warnings of the process. */
export function teller(onEvent: OnEvent | undefined): OnEvent {
  if (!onEvent) return (event) => GRAVE.includes(event.type) && notice(inWords(event));
  return (event) => {
    try {
      onEvent(event);
    } catch (error) {
      // Its own trouble: it must not end a shard's conversation.
      notice(`onEvent threw at ${event.type}: ${String(error)}`);
    }
  };
}

function inWords({ type, shard, ...rest }: EngineEvent): string {
  const about = Object.entries(rest).map(([name, value]) => `${name} ${String(value)}`);
  return `${shard === undefined ? 'the engine' : `shard ${shard}`}: ${type}${about.length > 0 ? ` (${about.join(', ')})` : ''}`;
}
