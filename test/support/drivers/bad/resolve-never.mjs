export const spec = {
  name: 'resolve-never',
  resolve: () => new Promise(() => {}),
  parse: ({ key }) => ({ key, lane: key, target: null, request: null }),
  ok: () => true,
};

export const load = async () => ({
  streams: 1,
  open: async () => ({}),
  execute: () => null,
  reusable: () => true,
  close() {},
});
