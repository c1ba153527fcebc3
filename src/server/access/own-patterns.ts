import { FieldError } from '../field-error.js';
import type { Principal } from '../parts.js';

/**
 * Throws `ERR_FORBIDDEN`, which names the field, where a token for some hosts would have answers of others forgotten: tags
 * and globs name answers of whatever key.
 */
export function checkPatterns(principal: Principal, patterns: readonly string[], field: string): void {
  if (!principal.limited) return;
  for (const pattern of patterns) {
    const key = pattern.startsWith('key:') ? pattern.slice(4) : undefined;
    if (key !== undefined && !key.includes('*') && principal.seesKey(key)) continue;
    const detail = `the token ${principal.name} is for some hosts: it may have \`key:<key>\` of one of these forgotten, and not ${JSON.stringify(pattern)}`;
    throw new FieldError('ERR_FORBIDDEN', [{ field, detail }]);
  }
}
