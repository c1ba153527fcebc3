// A worker thread of the peers of the echo driver: it says back what it is told, with as little as can be.
import { parentPort } from 'node:worker_threads';

export interface Told {
  id: number;
  key: string;
  payload: unknown;
}

/** For `piscina.run`. */
export function echo({ payload }: Told): { payload: unknown } {
  return { payload };
}

/** For one `postMessage` a request. Piscina has a port of its own and does not hear this. */
if (process.argv.includes('post-message')) {
  parentPort?.on('message', ({ id, payload }: Told) => parentPort?.postMessage({ id, payload }));
}
