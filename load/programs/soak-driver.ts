// A driver of one's own for the soak. Its request is to the shard that the key is in: end, or collect the garbage and say
// what is left. Node must run with --expose-gc.
import type { Driver, Spec } from 'keylane';
import { heapInUse } from '../garbage.js';

export interface SoakOrder {
  key: string;
  order: 'end' | 'collect';
}

declare module 'keylane' {
  interface Drivers {
    soak: { request: SoakOrder; response: { heapBytes: number } };
  }
}

export const spec: Spec<SoakOrder> = {
  name: 'soak',
  parse: ({ key, order }) => ({ key, lane: key, target: null, request: order }),
  ok: () => true,
};

export function load(): Promise<Driver> {
  return Promise.resolve({
    streams: 1,
    open: () => Promise.resolve(null),
    execute(_connection, order, context) {
      context.sent();
      if (order === 'end') process.exit(3);
      return { heapBytes: heapInUse() };
    },
    reusable: () => false,
    close: () => {},
  });
}
