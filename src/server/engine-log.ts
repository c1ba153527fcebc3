import type { Logger } from 'pino';
import type { EngineEvent } from '../index.js';

/** What the engine tells of itself, as lines of the log. */
export function logEvent(log: Logger, event: EngineEvent): void {
  const { type, ...about } = event;
  // At the start that is no news.
  const level = event.type === 'shard_serving' && event.restarts === 0 ? 'debug' : LEVELS[type];
  log[level](about, WORDS[type]);
}

const LEVELS: Readonly<Record<EngineEvent['type'], 'info' | 'warn' | 'error'>> = {
  breaker_open: 'warn',
  breaker_closed: 'info',
  lease_leaked: 'warn',
  lease_returned: 'info',
  shard_blocked: 'error',
  shard_died: 'error',
  shard_serving: 'info',
  shard_degraded: 'error',
  key_quarantined: 'error',
  key_moved: 'info',
  memory_high: 'warn',
  memory_well: 'info',
  cache_failed: 'error',
  token_refused: 'warn',
  token_unstored: 'error',
  tokens_unshared: 'warn',
};

const WORDS: Readonly<Record<EngineEvent['type'], string>> = {
  breaker_open: 'a peer is let alone',
  breaker_closed: 'a peer is back',
  lease_leaked: 'a driver holds a stream for long',
  lease_returned: 'a stream that was held for long is back',
  shard_blocked: 'a shard stands still and is replaced',
  shard_died: 'a shard died and is replaced',
  shard_serving: 'a shard serves',
  shard_degraded: 'a shard cannot be started',
  key_quarantined: "a key's requests killed their shard and are refused",
  key_moved: 'a key has moved',
  memory_high: 'memory is short: calls are refused',
  memory_well: 'memory is well again',
  cache_failed: 'answers on disk cannot be used',
  token_refused: 'a token server gave no token',
  token_unstored: 'a new refresh token could not be stored',
  tokens_unshared: 'tokens cannot be shared with other processes',
};
