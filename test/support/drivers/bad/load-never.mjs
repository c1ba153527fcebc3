export const spec = {
  name: 'load-never',
  parse: ({ key }) => ({ key, lane: key, target: null, request: null }),
  ok: () => true,
};

export const load = () => new Promise(() => {});
