import { describeDriver } from './contract.js';

describeDriver({
  name: 'echo',
  streams: 10,
  setup: async () => ({
    ok: (i) => ({ key: 'a', payload: { i } }),
    answer: ({ payload }) => payload,
    expected: (i) => ({ i }),
    failing: () => ({ key: 'a', fault: 'failed' }),
    refused: () => ({ key: 'a', fault: 'ERR_CONNECT' }),
    hanging: () => ({ key: 'a', fault: 'hang' }),
    // It has a request as soon as it is given one.
    started: async () => {},
    losing: () => ({ key: 'a', fault: 'ERR_CONNECTION_LOST' }),
    lose() {},
    talking: (payload) => ({ key: 'a', payload }),
    stop: async () => {},
  }),
});
