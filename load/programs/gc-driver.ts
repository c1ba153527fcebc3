// A driver of one's own, whose request is: collect the garbage of the shard. Node must run with --expose-gc.
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
      return null;
    },
    reusable: () => false,
    close: () => {},
  });
}
