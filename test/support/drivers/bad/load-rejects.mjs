export const spec = {
  name: 'load-rejects',
  parse: ({ key }) => ({ key, lane: key, target: null, request: null }),
  ok: () => true,
};

export const load = () => Promise.reject(new Error('no licence'));
