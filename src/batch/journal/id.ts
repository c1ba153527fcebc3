import { randomBytes } from 'node:crypto';
import { KeylaneError } from '../../errors.js';

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Throws `ERR_INPUT` where it is no batch's id: it becomes the name of a directory. */
export function checkId(id: string): string {
  if (typeof id === 'string' && ID.test(id)) return id;
  const shown = JSON.stringify(String(id).slice(0, 100));
  const text = `${shown} is no id of a batch: 1 to 64 letters, digits, \`.\`, \`_\` and \`-\`, the first a letter or a digit`;
  throw new KeylaneError('ERR_INPUT', text);
}

export function isId(name: string): boolean {
  return ID.test(name);
}

/** `YYYYMMDD-HHMMSS-xxxx`, in local time: a person is to know it again. */
export function newBatchId(now = new Date()): string {
  const digits = (value: number, count = 2) => String(value).padStart(count, '0');
  const day = `${digits(now.getFullYear(), 4)}${digits(now.getMonth() + 1)}${digits(now.getDate())}`;
  const time = `${digits(now.getHours())}${digits(now.getMinutes())}${digits(now.getSeconds())}`;
  return `${day}-${time}-${randomBytes(2).toString('hex')}`;
}
