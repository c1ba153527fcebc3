import type { SshRequest } from '../ssh-types.js';
import { userProblem } from '../util/names.js';
import { type Fine, plainOf, textWithout } from './plain.js';
import { hostProblem } from './ssh-names.js';
import { commandProblem, pathProblem } from './ssh-texts.js';

/** Whether a value of the field is fine, for the fields that nearly all requests are made of. */
const FINE: Fine = {
  host: textWithout(hostProblem),
  command: textWithout(commandProblem),
  user: textWithout(userProblem),
  port: (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535,
  identity: textWithout(pathProblem),
  knownHosts: textWithout(pathProblem),
};

/**
 * A copy of a request that says a host, a command and perhaps how to log in, and nothing that is wrong; undefined for any
 * other, which the schema reads. For the schema 40 fields that are not there cost 2 µs and 5 KB a request.
 */
export function plainRequest(input: unknown): SshRequest | undefined {
  const request = plainOf(input, FINE);
  if (!request) return undefined;
  return request.host !== undefined && request.command !== undefined ? (request as unknown as SshRequest) : undefined;
}
