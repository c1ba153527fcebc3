// A driver fills the heap of its shard. Prints how each call ended.
import { createEngine } from 'keylane';

const [driver, witness] = process.argv.slice(2);
const engine = await createEngine({ shards: 2, drivers: [driver], shardBlockedMs: 60_000 });
const request = (key, id, die) => ({ key, id, witness, beforeMs: 0, afterMs: 20, ...(die ? { die } : {}) });
const end = (promise) =>
  promise.then(
    () => 'ok',
    ({ code, outcome }) => `${code} ${outcome}`,
  );
// By src/routing.ts `a` lives in one shard of two and `b` in the other.
const ends = [end(engine.run('crash', request('a', 0, 'heap')))];
for (let id = 1; id <= 20; id++) ends.push(end(engine.run('crash', request('b', id))));
const [killer, ...others] = await Promise.all(ends);
const next = await end(engine.run('crash', request('a', 100)));
await engine.close();
console.log(JSON.stringify({ killer, others: [...new Set(others)], next }));
