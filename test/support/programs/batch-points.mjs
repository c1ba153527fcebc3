// Where a batch's process dies by its own hand: at the steps of its journal, which are wrapped here and know of nothing.
import { systemClock } from 'keylane';
import { BatchJournal } from '../../../dist/src/batch/journal/journal.js';
import { Store } from '../../../dist/src/store/store.js';

/** Of a journal's header: how many have begun, and how many results it has. */
const BEGUN_AT = 12;
const RESULTS_AT = 20;
const SLOW_MS = 60;

/** `name`: one of POINTS in batch-lives.ts; `nth`: at which time. */
export function dieAt({ name, nth }) {
  let times = 0;
  const at = (here) => {
    if (here === name && ++times === nth) process.kill(process.pid, 'SIGKILL');
  };
  for (const [method, what] of [
    ['begin', 'intent'],
    ['settle', 'result'],
  ]) {
    const before = BatchJournal.prototype[method];
    BatchJournal.prototype[method] = function (...args) {
      at(`before-${what}`);
      const done = before.apply(this, args);
      // Before anybody else who waits for it.
      void done.then(
        () => at(`after-${what}`),
        () => {},
      );
      return done;
    };
  }

  let held = [];
  const { put, transaction } = Store.prototype;
  Store.prototype.put = function (key, value) {
    if (key === 'meta') held.push('claim');
    if (key[0] === 'h'.charCodeAt(0) && value.readUInt32LE(BEGUN_AT) > 0) held.push('intent');
    if (key[0] === 'h'.charCodeAt(0) && value.readUInt32LE(RESULTS_AT) > 0) held.push('result');
    return put.call(this, key, value);
  };
  // A slow disk: whoever does not wait for it is seen, because what they do meanwhile is done.
  const slow = name.startsWith('within');
  Store.prototype.transaction = async function (work) {
    if (slow) await new Promise((resolve) => systemClock.timer(SLOW_MS, resolve));
    held = [];
    const result = await transaction.call(this, () => {
      const done = work();
      // Written, and nothing of it is on the disk.
      for (const what of held) at(`within-${what}`);
      return done;
    });
    for (const what of held) at(`flushed-${what}`);
    return result;
  };
}
