// A shard dies, and its next threads fail while they start, until the cause is gone. Prints what callers met meanwhile.
import { rmSync, writeFileSync } from 'node:fs';
import { createEngine } from 'keylane';

const [driver, witness] = process.argv.slice(2);
const seen = [];
let heard = () => {};
const onEvent = (event) => {
  seen.push(event);
  heard();
};
const event = async (type, shard) => {
  while (!seen.some((one) => one.type === type && one.shard === shard)) {
    await new Promise((resolve) => {
      heard = resolve;
    });
  }
};
const engine = await createEngine({ shards: 2, drivers: [driver], onEvent });
const end = (key, die) =>
  engine.run('crash', { key, id: 0, witness, beforeMs: 0, afterMs: 0, ...(die ? { die } : {}) }).then(
    () => 'ok',
    ({ code, outcome, retryable }) => `${code} ${outcome} ${retryable}`,
  );
// By src/routing.ts `a` lives in one shard of two and `b` in the other.
writeFileSync(process.env.FAULT_FILE, '');
const killer = await end('a', 'exit3');
const waited = end('a');
const dead = seen.find(({ type }) => type === 'shard_died').shard;
await event('shard_degraded', dead);
const first = await waited;
const begun = performance.now();
const refused = await end('a');
const refusedMs = performance.now() - begun;
const others = await end('b');
const { state } = (await engine.stats()).shards[dead];

seen.length = 0;
rmSync(process.env.FAULT_FILE);
await event('shard_serving', dead);
const after = await end('a');
const now = (await engine.stats()).shards[dead].state;
await engine.close();
console.log(JSON.stringify({ killer, first, refused, refusedMs, others, state, after, now }));
