import type { CachePart } from '../wire/protocol.js';

/**
 * For how long an answer that is ok is remembered, and may be given for a request like this: 0 for not at all. `saidMs` is
 * what its peer says. A caller's own time goes before that, and that before what the engine has for its operation.
 */
export function ttlOf({ ttlMs, ownTtl }: Pick<CachePart, 'ttlMs' | 'ownTtl'>, saidMs: number | undefined): number {
  if (saidMs === 0) return 0;
  return ownTtl === true || saidMs === undefined ? ttlMs : saidMs;
}
