// A program that uses an engine and ends. What it does is its first argument; it exits by itself or hangs.
import { createEngine, KeylaneError } from 'keylane';

const programs = {
  async close() {
    const engine = await createEngine({ shards: 2 });
    await engine.run('echo', { key: 'a' });
    await engine.close();
  },
  async destroy() {
    const engine = await createEngine({ shards: 2 });
    const call = engine.run('echo', { key: 'a', fault: 'hang' }).catch((error) => error);
    await engine.destroy();
    if (!((await call) instanceof KeylaneError)) throw new Error('not settled');
  },
  async 'bad-driver'() {
    await createEngine({ drivers: ['/nowhere.mjs'] }).catch(() => {});
  },
  async break() {
    const engine = await createEngine({ shards: 2 });
    const endless = (function* () {
      for (let i = 0; ; i++) yield { key: `k${i % 10}`, delayMs: 5 };
    })();
    for await (const { index } of engine.batch('echo', endless)) if (index > 500) break;
    await engine.close();
  },
};

await programs[process.argv[2]]();
console.log('done');
