import type { Engine } from 'keylane';

/** The longest pause of this thread's event loop while `during` goes on, in milliseconds. */
export async function worstLag(during: Promise<unknown>): Promise<number> {
  let over = false;
  const done = during.finally(() => {
    over = true;
  });
  let worst = 0;
  let last = performance.now();
  while (!over) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
  }
  await done;
  return worst;
}

/** The longest answer to an echo while `during` goes on: the lag of the loops of the shards that these keys go to. */
export async function worstShardLag(
  engine: Engine,
  keys: readonly string[],
  during: Promise<unknown>,
): Promise<number> {
  let over = false;
  const done = during.finally(() => {
    over = true;
  });
  let worst = 0;
  const echoes = async (key: string) => {
    while (!over) {
      const begun = performance.now();
      await engine.run('echo', { key });
      worst = Math.max(worst, performance.now() - begun);
    }
  };
  await Promise.all([done, ...keys.map(echoes)]);
  return worst;
}
