// store-opener.mjs DIR durable|disposable [fill COUNT | write | hold]: opens a store, looks at all values, which follow from
// their keys, writes, closes, and prints what it saw. `fill` puts the values first. `write` goes on until it is killed.
import { openStore } from '../../../dist/src/store/store.js';

const [dir, kind, what, count] = process.argv.slice(2);
const contentOf = (key) => Buffer.alloc(Number(/\d+/.exec(key)) % 9 === 0 ? 15_000 : 500, key);
const say = (line) => console.log(JSON.stringify(line));

try {
  const store = await openStore(dir, { durable: kind === 'durable', version: 1 });
  if (what === 'fill') {
    for (let i = 0; i < Number(count); i++) void store.put(`k${i}`, contentOf(`k${i}`));
    await store.flushed();
    // So that there are free pages, too.
    await store.transaction(() => {
      for (let i = 0; i < Number(count); i += 5) void store.remove(`k${i}`);
    });
  }
  let found = 0;
  let wrong = 0;
  for (const [key, value] of store.range({ prefix: 'k' })) {
    found++;
    const both = [value, store.get(key)];
    if (!both.every((each) => each?.equals(contentOf(key.toString())))) wrong++;
  }
  say({ found, wrong });
  if (what === 'hold') await new Promise((resolve) => process.stdin.once('data', resolve));
  for (let round = 0; what === 'write'; round++) {
    for (let i = 0; i < 100; i++)
      void store.put(`k${(round * 37 + i) % 1_000}`, contentOf(`k${(round * 37 + i) % 1_000}`));
    await store.transaction(() => void store.remove(`k${(round * 53) % 1_000}`));
    if (round === 3) say('writing');
  }
  for (const value of what === 'fill' ? [] : [Buffer.alloc(3_000), Buffer.alloc(200_000)]) {
    await store.transaction(() => {
      for (let i = 0; i < 20; i++) void store.put(`w${i}`, value);
    });
  }
  await store.transaction(() => {
    // What is not there is no error.
    for (let i = 0; i < 20; i++) void store.remove(`w${i}`);
  });
  await store.close();
  say('closed');
} catch (error) {
  if (!error.code?.startsWith?.('ERR_')) throw error;
  say({ code: error.code, message: error.message });
}
process.stdin.destroy();
