// A driver that leaves behind, in a file, that it ran; and that does to its thread what it is told to, the first time.
import { appendFileSync, openSync } from 'node:fs';
import { KeylaneError, systemClock } from 'keylane';

export const spec = {
  name: 'witness',
  parse: ({ key, ...request }) => ({ key, lane: key, target: null, request }),
  ok: () => true,
};

export async function load() {
  return {
    streams: 5,
    open: async () => ({}),
    async execute(_connection, { id, log, blockMs, die, fails, afterMs }, context) {
      context.sent();
      appendFileSync(log, `${id}\n`);
      const isFirst = (blockMs > 0 || die || fails) && first(`${log}.${id}`);
      if (isFirst && blockMs > 0) for (const end = systemClock.now() + blockMs; systemClock.now() < end; );
      if (isFirst && die) process.exit(3);
      if (isFirst && fails) throw new KeylaneError('ERR_CONNECTION_LOST', 'as asked');
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
