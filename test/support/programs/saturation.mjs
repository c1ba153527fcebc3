// Refuses 1,000,000 calls past the bound and tells how long the fastest of the first five took and how much memory they left behind.
import { createEngine } from 'keylane';

const CALLS = 1_000_000;
const engine = await createEngine({ shards: 1, maxInFlight: 10, maxQueued: 100, limits: { queuedPerKey: 50 } });
const held = Array.from({ length: 55 }, () => engine.run('echo', { key: 'full', fault: 'hang' }).catch(() => {}));

const request = { key: 'full' };
let refused = 0;
let codes = '';
const count = (error) => {
  refused++;
  codes = error.code;
};
// Of a few, because the machine may have something else to do at any moment: what waits for a turn is slow each time.
let firstMs = Number.POSITIVE_INFINITY;
for (let i = 0; i < 5; i++) {
  const begun = performance.now();
  await engine.run('echo', request).catch(count);
  firstMs = Math.min(firstMs, performance.now() - begun);
}

const round = async (calls) => {
  for (let done = 0; done < calls; done += 1_000) {
    await Promise.all(Array.from({ length: 1_000 }, () => engine.run('echo', request).catch(count)));
  }
};
const heap = () => {
  globalThis.gc();
  return process.memoryUsage().heapUsed;
};
await round(10_000);
const before = heap();
await round(CALLS);
const grown = heap() - before;

const { inFlight, queued } = await engine.stats();
await engine.destroy();
await Promise.all(held);
console.log(JSON.stringify({ firstMs, grown, refused, codes, inFlight, queued }));
