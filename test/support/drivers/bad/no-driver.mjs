export const spec = {
  name: 'no-driver',
  parse: ({ key }) => ({ key, lane: key, target: null, request: null }),
  ok: () => true,
};

export const load = async () => undefined;
