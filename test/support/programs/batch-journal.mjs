// node batch-journal.mjs DATA_DIR hold|race|ack|fill [resume]: a process that owns a journal, without an engine.
//   hold  takes it, says how that went, and lets go of it when its stdin ends
//   race  tries to take it with each line (`new` or `resume`) that it reads, and says how that went
//   ack   settles result after result, says which are acknowledged, until it is killed
//   fill  settles results until one is refused, and says how many were acknowledged
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openJournal } from '../../../dist/src/batch/journal/journal.js';

const [dataDir, what, how] = process.argv.slice(2);
const say = (said) => writeSync(1, `${JSON.stringify(said)}\n`);
const asked = { id: 'b1', resume: how === 'resume', input: undefined, total: 1e6, driver: 'echo' };

function resultOf(index) {
  return {
    ...{ index, id: String(index), request: { key: 'k' }, key: 'k', outcome: 'ok' },
    response: { payload: String(index).padEnd(1_000, '.') },
    ...{ attempts: 1, shard: 0, reused: true, cache: 'none', history: [] },
    timing: { queuedMs: 0, openMs: 0, runMs: 1 },
  };
}

if (what === 'race') {
  say('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    await openJournal(join(dataDir, 'batches'), { ...asked, resume: line === 'resume' }).then(
      () => say({ pid: process.pid }),
      ({ code, message }) => say({ code, message }),
    );
  }
  process.exit(0);
}

const start = performance.now();
try {
  const journal = await openJournal(join(dataDir, 'batches'), asked);
  const { settled } = journal;
  if (what === 'hold') {
    journal.onCancel = () => void journal.close('canceled').then(() => process.exit(0));
    say({ pid: process.pid, settled, ms: performance.now() - start });
    process.stdin.resume();
    process.stdin.once('end', () => void journal.close('interrupted'));
  } else {
    let acknowledged = settled;
    for (let index = 0; ; ) {
      const waiting = [];
      // Of each commit some wait by themselves, as those of a batch do.
      for (let i = 0; i < 100; i++, index++) {
        while (!['new', 'begun'].includes(journal.known(index))) index++;
        const number = index;
        waiting.push(
          journal
            .begin(number, undefined)
            .then(() => journal.settle(resultOf(number)))
            .then(() => number),
        );
      }
      const ends = await Promise.allSettled(waiting);
      const acked = ends.flatMap(({ value }) => (value === undefined ? [] : [value]));
      if (what === 'ack') say(acked);
      const refused = ends.find(({ reason }) => reason)?.reason;
      if (!refused) {
        acknowledged += acked.length;
        continue;
      }
      const late = await journal.begin(index, undefined).then(
        () => 'acknowledged',
        ({ code }) => code,
      );
      await journal.close('interrupted');
      say({
        acked: acknowledged + acked.length,
        code: refused.code,
        message: refused.message,
        late,
      });
      break;
    }
  }
} catch ({ code, message }) {
  say({ code, message, ms: performance.now() - start });
}
