import { KeylaneError } from '../errors.js';
import { isObject } from './problem.js';

/** An account as the service tells of it: no secret, and no path. */
export interface ServiceAccount {
  name: string;
  driver: string;
  host: string;
  port?: number;
  user?: string;
  labels?: readonly string[];
  limits?: object;
  oauth?: { grant: string };
}

/** The array in an answer that holds one by this name. */
export function listIn<T>(answer: unknown, name: string): T[] {
  if (isObject(answer) && Array.isArray(answer[name])) return answer[name] as T[];
  throw new KeylaneError('ERR_PROTOCOL', `the service answers without \`${name}\``, { outcome: 'not_started' });
}
