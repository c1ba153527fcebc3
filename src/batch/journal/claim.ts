import { KeylaneError } from '../../errors.js';
import type { Store } from '../../store/store.js';
import { type Owner, readOwner } from '../../util/owner.js';
import { ownerLives, removeSocket } from './owner.js';
import { jsonRecord, OWNER } from './records.js';

type ClaimStore = Pick<Store, 'get' | 'put' | 'transaction'>;

/**
 * Makes `me`, who listens already, the one owner of the batch, and does `work` with it. An owner that is there and dead is
 * taken over from.
 */
export async function claim<T>(store: ClaimStore, dir: string, me: Owner, id: string, work: () => T): Promise<T> {
  const { result, dead } = await whenUnowned(store, dir, id, () => {
    const result = work();
    void store.put(OWNER, jsonRecord(me));
    return result;
  });
  if (dead) removeSocket(dir, dead);
  return result;
}

/**
 * Does `work` in one transaction when nobody runs the batch. Who was found dead is compared in it with who is there: of many
 * who come at once, one is first, and the others find that one alive.
 */
export async function whenUnowned<T>(
  store: Pick<Store, 'get' | 'transaction'>,
  dir: string,
  id: string,
  work: () => T,
): Promise<{ result: T; dead: Owner | undefined }> {
  for (;;) {
    const found = ownerIn(store);
    await refuseLiving(dir, found, id);
    const done = await store.transaction(() => {
      return ownerIn(store)?.id === found?.id ? { result: work(), dead: found } : undefined;
    });
    if (done) return done;
  }
}

export function ownerIn(store: Pick<Store, 'get'>): Owner | undefined {
  const value = store.get(OWNER);
  return value && readOwner(value.toString());
}

/** Rejects with `ERR_STORE_BUSY` if the owner lives. */
async function refuseLiving(dir: string, owner: Owner | undefined, id: string): Promise<void> {
  if (!owner || !(await ownerLives(dir, owner))) return;
  throw isRun(id, owner.pid);
}

export function isRun(id: string, pid: number): KeylaneError {
  const text = `process ${pid} runs the batch ${id}; wait for its end, or end it by \`keylane batch cancel ${id}\``;
  return new KeylaneError('ERR_STORE_BUSY', text);
}
