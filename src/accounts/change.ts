import { KeylaneError } from '../errors.js';
import type { Account, AccountChange } from './account.js';

/** The account with a change; not checked yet. Objects are changed field by field, null takes a field away. */
export function changed(account: Account, change: AccountChange): Record<string, unknown> {
  if (!isObject(change)) throw new KeylaneError('ERR_INPUT', 'a change is an object: { user: … } or { user: null }');
  if ('name' in change)
    throw new KeylaneError('ERR_INPUT', 'the name of an account cannot be changed: remove it, and add it anew');
  const fields: Record<string, unknown> = { ...account };
  for (const [field, value] of Object.entries(change)) {
    const whole = isObject(value) ? merged(fields[field], value) : value;
    if (whole === null) delete fields[field];
    else if (whole !== undefined) fields[field] = whole;
  }
  return fields;
}

/** Null where nothing is left. */
function merged(old: unknown, change: object): object | null {
  const fields: Record<string, unknown> = isObject(old) ? { ...old } : {};
  for (const [field, value] of Object.entries(change)) {
    if (value === null) delete fields[field];
    else if (value !== undefined) fields[field] = value;
  }
  return Object.keys(fields).length > 0 ? fields : null;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
