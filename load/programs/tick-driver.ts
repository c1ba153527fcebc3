// A driver of one's own, whose peer says something once in `everyMs` for as long as somebody listens.
import type { Driver, Spec } from 'keylane';

interface Tick {
  key: string;
  everyMs: number;
}

export const spec: Spec<Tick, { everyMs: number }> = {
  name: 'tick',
  parse: ({ key, everyMs }) => ({ key, lane: key, target: null, request: { everyMs } }),
  ok: () => true,
};

export function load(): Promise<Driver<null, null, { everyMs: number }, null>> {
  return Promise.resolve({
    streams: 10_000,
    open: () => Promise.resolve(null),
    execute: (_connection, { everyMs }, context) =>
      new Promise<null>((_, reject) => {
        context.sent();
        let count = 0;
        const timer = setInterval(() => {
          // Whoever is behind is told less.
          void context.chunk('message', Buffer.from(`tick ${++count} of a peer that has something to say\n`));
        }, everyMs);
        context.onAbort((reason) => {
          clearInterval(timer);
          reject(reason);
        });
      }),
    reusable: () => true,
    close: () => {},
  });
}
