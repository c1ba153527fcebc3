// A process with an engine that remembers on disk, and does what it is told, a line of JSON at a time:
// [request, options] of `run`, or { invalidate }, { stats }, { close }. It says what it comes to, a line each.
import { createInterface } from 'node:readline';
import { createEngine } from 'keylane';

const [dataDir, driver] = process.argv.slice(2);
const events = [];
const onEvent = ({ type, message }) => events.push(type === 'cache_failed' ? message : type);
const engine = await createEngine({ shards: 2, dataDir, drivers: [driver], onEvent });

async function answer(told) {
  if (Array.isArray(told)) {
    const [request, options] = told;
    for await (const { response, cache, cached, outcome } of engine.batch('file-peer', [request], options))
      return { text: response?.text, cache, level: cached?.level, outcome };
  }
  if (told.invalidate) return engine.cache.invalidate(...told.invalidate);
  if (told.stats) return { ...(await engine.cache.stats()), events };
  return engine.close();
}

console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  console.log(JSON.stringify((await answer(told)) ?? null));
  if (told.close) break;
}
