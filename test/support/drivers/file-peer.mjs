// A peer that processes share: the text of a file, and a line in another for each time it was asked.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';

export const spec = {
  name: 'file-peer',
  parse: ({ path, ...request }) => ({ key: path, lane: path, target: path, request }),
  ok: () => true,
};

export async function load() {
  return {
    streams: 100,
    open: async (path) => ({ path }),
    execute({ path }, { write }, context) {
      context.sent();
      appendFileSync(`${path}.asked`, write === undefined ? 'read\n' : 'write\n');
      if (write !== undefined) writeFileSync(path, write);
      return { text: readFileSync(path, 'utf8') };
    },
    reusable: () => true,
    close() {},
  };
}
