import type { DriverUnderTest } from './contract.js';

/** The driver `echo`, which is its own peer. */
export const echoUnderTest: DriverUnderTest<'echo'> = {
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
};
