import { createHash } from 'node:crypto';
import { KeylaneError } from '../../index.js';

/**
 * The key of a request that makes a batch (draft-ietf-httpapi-idempotency-key-header-07, 2.1), bare or as the quoted string
 * that the draft has. Throws `ERR_INPUT` where there is none.
 */
export function idempotencyKey(header: string | string[] | undefined): string {
  const key = typeof header === 'string' ? header.trim().replace(/^"(.*)"$/, '$1') : '';
  if (/^[\x21-\x7e][\x20-\x7e]{0,254}$/.test(key)) return key;
  const what = header === undefined ? 'is missing' : 'must be 1 to 255 printable characters of ASCII';
  const text = `the header \`Idempotency-Key\` ${what}: give a key of your own for each batch, so that a request that is sent twice makes one`;
  throw new KeylaneError('ERR_INPUT', text);
}

/**
 * The batch that a principal's key makes. As the id follows from the key there is no second store of keys, which could tell
 * something else than the batches do; and the keys of others lead nowhere.
 */
export function batchIdOf(principal: string, key: string): string {
  return `s-${createHash('sha256')
    .update(JSON.stringify([principal, key]))
    .digest('hex')
    .slice(0, 32)}`;
}

/** One text for the same value, whatever the order of its members. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([one], [other]) => (one < other ? -1 : 1)))
      : member,
  );
}
