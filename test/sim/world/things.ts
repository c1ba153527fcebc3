import { KeylaneError } from '../../../src/errors.ts';
import { type Driver, type ExecuteContext, NOT_MODIFIED, type Spec } from '../../../src/types.ts';
import type { World } from './world.ts';

/** What is asked of things that all hosts share. */
export interface ThingRequest {
  key: string;
  thing: number;
  change?: true;
}

export interface ThingResponse {
  value: number;
  no?: true;
  etag?: string;
}

/** Things that change, seen through any host: a number each, that only grows. */
export class Things {
  readonly values: number[];
  /** Requests that reached them. */
  reads = 0;
  changes = 0;
  unchanged = 0;

  constructor(count: number) {
    this.values = new Array(count).fill(0);
  }
}

export const thingsSpec: Spec<ThingRequest, Omit<ThingRequest, 'key'>, ThingResponse> = {
  name: 'things',
  parse: ({ key, ...request }) => ({ key, lane: key, target: null, request }),
  ok: ({ no }) => !no,
};

/** A host that reads and changes things at some moment of a request, and answers at another, or not. */
export function thingsDriver(world: World, things: Things): Driver {
  const later = (call: () => void) => world.after(world.delay(0.1, 300), call);
  const execute = ({ thing, change }: ThingRequest, context: ExecuteContext) =>
    new Promise<ThingResponse | typeof NOT_MODIFIED>((resolve, reject) => {
      context.sent();
      later(() => {
        if (change) {
          things.changes++;
          if (world.chance(0.9)) things.values[thing] = (things.values[thing] ?? 0) + 1;
        } else {
          things.reads++;
        }
        const value = things.values[thing] ?? 0;
        later(() => {
          const fate = world.random.next();
          if (context.signal.aborted) reject(context.signal.reason as Error);
          else if (fate < 0.1) reject(new KeylaneError('ERR_CONNECTION_LOST'));
          else if (fate < 0.2) resolve({ value, no: true });
          else if (context.etag === String(value)) {
            things.unchanged++;
            resolve(NOT_MODIFIED);
          } else resolve({ value, ...(thing % 2 === 0 ? { etag: String(value) } : {}) });
        });
      });
    });
  return {
    streams: 3,
    open: () => new Promise((resolve) => later(() => resolve({}))),
    execute: (_, request, context) => execute(request as ThingRequest, context),
    reusable: () => true,
    close() {},
    ok: (response) => !(response as ThingResponse).no,
    etag: (response) => (response as ThingResponse).etag,
  };
}
