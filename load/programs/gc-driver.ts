// A driver of one's own, whose request is: collect the garbage of the shard, and say how many bytes of heap and buffers it
// holds. Node must run with --expose-gc.
import type { Driver, Spec } from 'keylane';
import { collectGarbage } from '../garbage.js';

export const spec: Spec<{ key: string }> = {
  name: 'gc',
  parse: ({ key }) => ({ key, lane: key, target: null, request: null }),
  ok: () => true,
};

export function load(): Promise<Driver> {
  return Promise.resolve({
    streams: 1,
    open: () => Promise.resolve(null),
    execute(_connection, _request, context) {
      context.sent();
      collectGarbage();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    },
    reusable: () => false,
    close: () => {},
  });
}
