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
