import { hash } from 'node:crypto';
import { KeylaneError } from '../errors.js';

/**
 * Tells a request from another one that has its place: the first 8 bytes of its SHA-256, as 8 characters.
 * Throws `ERR_INPUT` where it is no JSON.
 */
export function digestOf(driver: string | undefined, request: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(request) ?? String(request);
  } catch (cause) {
    throw new KeylaneError('ERR_INPUT', `a request of a batch with a journal must be JSON: ${String(cause)}`, {
      cause,
    });
  }
  return hash('sha256', driver === undefined ? text : `${driver} ${text}`, 'binary').slice(0, 8);
}
