// Refuses so many calls past the bound and tells how long the fastest of the first five took and how much memory they left behind.
import { createEngine } from 'keylane';

const CALLS = Number(process.argv[2]);
const engine = await createEngine({ shards: 1, maxInFlight: 10, maxQueued: 100, limits: { queuedPerKey: 50 } });
// Of each key five fly and fifty wait: the window is full, and so are both queues.
const held = Array.from({ length: 110 }, (_, i) =>
  engine.run('echo', { key: `full-${i % 2}`, fault: 'hang' }).catch(() => {}),
);

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
  await engine.run('echo', { key: 'full-0' }).catch(count);
  firstMs = Math.min(firstMs, performance.now() - begun);
}

const round = async (calls) => {
  for (let done = 0; done < calls; done += 1_000) {
    // Every other one of a key that was never seen.
    const keyOf = (i) => (i % 2 ? 'full-1' : `new-${done + i}`);
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => engine.run('echo', { key: keyOf(i) }).catch(count)));
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
