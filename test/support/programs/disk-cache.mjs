// disk-cache.mjs DIR: does what it is told by lines of JSON, one at a time, with a DiskCache of its own, and answers each
// by a line. Answers are named by what they are about, and follow from it.
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { DiskCache } from '../../../dist/src/cache/disk.js';

const say = (line) => console.log(JSON.stringify(line ?? null));
const digestOf = (about) => createHash('sha256').update(about).digest('hex');
const responseOf = (about) => Buffer.alloc(500, about);

function entry(about, tags) {
  const now = Date.now();
  const digest = digestOf(about);
  const name = `test:${digest.slice(0, 8)}`;
  const times = { storedAt: now, staleAt: now + 600_000, deadAt: now + 600_000 };
  return { digest, key: 'web-1:22', name, tags, response: responseOf(about), ...times };
}

/** 'right', 'wrong' or 'missing'. */
function look(cache, about) {
  const found = cache.get(digestOf(about));
  if (!found) return 'missing';
  return responseOf(about).equals(found.response) ? 'right' : 'wrong';
}

const cache = await DiskCache.open(process.argv[2], {
  bytes: 10_000_000,
  wallNow: Date.now,
  wasDamaged: (aside, { code }) => say({ aside, code }),
});
say('open');

const DO = {
  put: ({ about, tags = [], startSeq = cache.lastSeq() }) => cache.put(entry(about, tags), startSeq),
  look: ({ about }) => look(cache, about),
  invalidate: ({ patterns }) => cache.invalidate(patterns),
  since: ({ seq }) => cache.since(seq),
  last: () => cache.lastSeq(),
  list: () => [...cache.list()].map(({ name }) => name),
  stats: () => cache.stats(),
  /** Milliseconds until an answer is missing, looked for as fast as possible. */
  async missing({ about }) {
    const from = performance.now();
    while (look(cache, about) !== 'missing') await new Promise((resolve) => setImmediate(resolve));
    return performance.now() - from;
  },
  /** Answers of its own and such as others put as well, with looks between. */
  async churn({ id, rounds }) {
    const seen = { right: 0, wrong: 0, missing: 0 };
    for (let i = 0; i < rounds; i++) {
      await Promise.all([
        cache.put(entry(`own-${id}-${i}`, [`of-${id}`]), cache.lastSeq()),
        cache.put(entry(`shared-${i}`, ['shared']), cache.lastSeq()),
      ]);
      for (const about of [`own-${id}-${i}`, `shared-${i}`, `own-${(id + 1) % 20}-${i}`]) seen[look(cache, about)]++;
    }
    return seen;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  say(await DO[order.do](order));
}
await cache.close();
