// A driver that answers with the packages that its thread has loaded.
import { packages } from '../packages.mjs';

export const spec = {
  name: 'libraries',
  parse: ({ key }) => ({ key, lane: key, target: null, request: null }),
  ok: () => true,
};

export async function load() {
  return {
    streams: 1,
    open: async () => ({}),
    execute(_connection, _request, context) {
      context.sent();
      return { packages: packages() };
    },
    reusable: () => true,
    close() {},
  };
}
