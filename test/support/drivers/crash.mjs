// A driver that kills its thread when it is told to. See CrashRequest in own.ts.
import { appendFileSync } from 'node:fs';
import { systemClock } from 'keylane';

export const spec = {
  name: 'crash',
  parse: ({ key, ...request }) => ({ key, lane: key, target: null, request }),
  ok: () => true,
};

export async function load() {
  return {
    streams: 5,
    open: async () => ({}),
    async execute(_connection, { id, witness, beforeMs, afterMs, die }, context) {
      if (beforeMs > 0) await after(beforeMs);
      // Between the two nothing can come but the end of the whole process.
      appendFileSync(witness, `${id}\n`);
      context.sent();
      if (afterMs > 0) await after(afterMs);
      if (die !== undefined) await deaths[die]();
      return { id };
    },
    reusable: () => true,
    close() {},
  };
}

const never = new Promise(() => {});
const after = (ms) => new Promise((resolve) => systemClock.timer(ms, resolve));

const deaths = {
  throw() {
    systemClock.timer(0, () => {
      throw new Error('thrown by a driver');
    });
    return never;
  },
  reject() {
    void Promise.reject(new Error('rejected by a driver'));
    return never;
  },
  exit0: () => process.exit(0),
  exit3: () => process.exit(3),
  block() {
    for (;;) {}
  },
  heap() {
    // A list, and not an array: an array that grows past the limit aborts the whole process (nodejs/node #47224).
    let list = null;
    for (let i = 0; ; i++) list = { list, text: String(i) };
  },
};
