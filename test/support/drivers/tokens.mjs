// A driver that asks the main thread for an account's access token, and answers with it.
export const spec = {
  name: 'tokens',
  parse: ({ key, ...request }) => ({ key, lane: key, target: null, request }),
  ok: () => true,
};

export async function load() {
  return {
    streams: 1_000,
    open: async () => ({}),
    async execute(_connection, about, context) {
      context.sent();
      return context.ask('token', about);
    },
    reusable: () => true,
    close() {},
  };
}
