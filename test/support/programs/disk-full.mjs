// disk-full.mjs DIR store|cache|lock: what a full disk does to a durable store, to an engine's cache, or to who comes when
// it is full already. DIR is a small disk of its own. Prints what it saw as JSON.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine } from 'keylane';
import { openStore } from '../../../dist/src/store/store.js';

const [dir, what] = process.argv.slice(2);
const payload = (i) => String(i).padEnd(100_000, '.');

async function ofStore() {
  const store = await openStore(join(dir, 'store'), { durable: true, version: 1 });
  await store.put('first', Buffer.from('kept'));
  await store.flushed();
  const codes = new Set();
  for (let i = 0; i < 60; i++) await store.put(`k${i}`, Buffer.alloc(100_000)).catch(({ code }) => codes.add(code));
  await store.transaction(() => void store.put('t', Buffer.alloc(3_000_000))).catch(({ code }) => codes.add(code));
  const first = store.get('first').toString();
  await store.close();
  return { codes: [...codes], first };
}

async function ofCache() {
  const events = [];
  const onEvent = ({ type, message }) => type === 'cache_failed' && events.push({ type, message });
  const engine = await createEngine({ shards: 1, dataDir: dir, onEvent });
  let ok = 0;
  for (let i = 0; i < 60; i++) {
    const response = await engine.run('echo', { key: 'k', payload: payload(i) }, { cache: { persist: true } });
    if (response.payload === payload(i)) ok++;
  }
  await engine.close();
  return { ok, events };
}

async function ofLock() {
  try {
    for (let i = 0; ; i++) writeFileSync(join(dir, `full-${i}`), Buffer.alloc(4_096));
  } catch {
    // Full.
  }
  return openStore(join(dir, 'store'), { durable: true, version: 1 }).then(
    () => ({}),
    ({ code, message }) => ({ code, message }),
  );
}

console.log(JSON.stringify(await { store: ofStore, cache: ofCache, lock: ofLock }[what]()));
