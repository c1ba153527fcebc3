// A driver that leaves behind, in a file, that it ran; and that does to its thread what it is told to, the first time.
import { appendFileSync, openSync } from 'node:fs';
import { systemClock } from 'keylane';

export const spec = {
  name: 'witness',
  parse: ({ key, ...request }) => ({ key, lane: key, target: null, request }),
  ok: () => true,
};

export async function load() {
  return {
    streams: 5,
    open: async () => ({}),
    async execute(_connection, { id, log, blockMs, die, afterMs }, context) {
      context.sent();
      appendFileSync(log, `${id}\n`);
      const isFirst = (blockMs > 0 || die) && first(`${log}.${id}`);
      if (isFirst && blockMs > 0) for (const end = systemClock.now() + blockMs; systemClock.now() < end; );
      if (isFirst && die) process.exit(3);
      await new Promise((resolve) => systemClock.timer(afterMs, resolve));
      return { id };
    },
    reusable: () => true,
    close() {},
  };
}

function first(marker) {
  try {
    openSync(marker, 'wx');
    return true;
  } catch {
    return false;
  }
}
