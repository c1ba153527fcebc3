import type { Message } from './codec.js';
import type { RunCommand } from './protocol.js';

/** About how many bytes a message will take: exact for long strings and byte arrays, which are what makes one large. */
export function weightOf(message: Message): number {
  switch (message.kind) {
    case 'run':
      return message.bytes || runBytes(message);
    case 'response':
      return 32 + weigh(message.response);
    case 'chunk':
    case 'input':
      return 32 + message.data.length;
    default:
      return 64;
  }
}

/** About how many bytes a run takes. Throws what a getter of the request throws. */
export function runBytes({ lane, target, request }: Pick<RunCommand, 'lane' | 'target' | 'request'>): number {
  return 64 + lane.length + weigh(target) + weigh(request);
}

/** Deeper than any request of a driver; past it a value counts as small, which only makes a frame larger than usual. */
const DEEPEST = 4;

export function weigh(value: unknown, depth = 0): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (depth === DEEPEST) {
    refuseDeep(value, depth);
    return 8;
  }
  let sum = 8;
  for (const name in value) sum += weigh((value as Record<string, unknown>)[name], depth + 1);
  return sum;
}

/**
 * Of lists and objects within each other. A shard has four times the stack of the main thread: what it can write (a server's
 * answer of 3,000 lists) the other may not be able to read, and ended the process. Below it, programs go down by calls too.
 */
const MOST_LEVELS = 512;

function refuseDeep(value: object, depth: number): void {
  if (depth >= MOST_LEVELS) throw new RangeError(`it has more than ${MOST_LEVELS} lists or objects within each other`);
  if (ArrayBuffer.isView(value)) return;
  for (const one of Array.isArray(value) ? value : Object.values(value))
    if (typeof one === 'object' && one !== null) refuseDeep(one, depth + 1);
}
