import type { EchoFault, EchoRequest, EchoResponse } from '../echo-types.js';
import { KeylaneError } from '../errors.js';
import type { Spec } from '../types.js';

/** What an echo connection is opened to. */
export interface EchoTarget {
  openMs: number;
  /** How opening goes wrong. */
  fault: EchoFault | undefined;
}

/** What crosses the wall. */
export interface EchoOrder {
  payload: unknown;
  delayMs: number;
  /** How the request goes wrong. */
  fault: EchoFault | undefined;
  etag: string | undefined;
}

const WHILE_OPENING: readonly string[] = ['ERR_DNS', 'ERR_CONNECT', 'ERR_AUTH', 'ERR_HOST_KEY'];
const FAULTS: readonly string[] = [...WHILE_OPENING, 'failed', 'hang', 'ERR_CONNECTION_LOST', 'ERR_PROTOCOL'];
export const echoFields: readonly string[] = ['key', 'payload', 'openMs', 'delayMs', 'fault', 'etag'];
const LONGEST_MS = 86_400_000;

/** The fixture driver. Checked by hand: it is what the dispatch of the engine is measured with. */
export const echoSpec: Spec<EchoRequest, EchoOrder, EchoResponse> = {
  name: 'echo',

  parse(input) {
    if (typeof input !== 'object' || input === null) throw bad('the request must be an object with a `key`');
    const { key, openMs = 0, delayMs = 0, fault, payload, etag } = input;
    for (const field in input) {
      if (!echoFields.includes(field)) throw bad(`unknown field \`${field}\`: echo knows ${echoFields.join(', ')}`);
    }
    if (typeof key !== 'string' || key === '' || key.length > 1024)
      throw bad('`key` must be a string of 1 to 1,024 characters');
    if (!isMs(openMs)) throw bad(`\`openMs\` must be a number from 0 to ${LONGEST_MS}`);
    if (!isMs(delayMs)) throw bad(`\`delayMs\` must be a number from 0 to ${LONGEST_MS}`);
    if (fault !== undefined && !FAULTS.includes(fault)) throw bad(`\`fault\` must be one of ${FAULTS.join(', ')}`);
    if (etag !== undefined && typeof etag !== 'string') throw bad('`etag` must be a string');
    const opening = fault !== undefined && WHILE_OPENING.includes(fault) ? fault : undefined;
    const target: EchoTarget = { openMs, fault: opening };
    const lane = opening ? `${key} ${openMs} ${opening}` : `${key} ${openMs}`;
    return { key, lane, target, request: { payload, delayMs, fault: opening ? undefined : fault, etag } };
  },

  ok: (response) => !response.refused,
};

function isMs(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= LONGEST_MS;
}

function bad(message: string): KeylaneError {
  return new KeylaneError('ERR_INPUT', message);
}
