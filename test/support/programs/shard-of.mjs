// Prints the shard that each key given as an argument is served by, of four.
import { createEngine } from 'keylane';

const engine = await createEngine({ shards: 4 });
const shards = {};
const requests = process.argv.slice(2).map((key) => ({ key }));
for await (const { key, shard } of engine.batch('echo', requests)) shards[key] = shard;
await engine.close();
console.log(JSON.stringify(shards));
