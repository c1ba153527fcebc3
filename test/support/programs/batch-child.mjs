// batch-child.mjs SETTINGS: a journaled batch in a process that may be killed at any moment. Each result that is handed
// out is one line of stdout, in one write: what is in the pipe outlives us.
import { readFileSync, writeSync } from 'node:fs';
import { systemClock } from 'keylane';
// Not the package: in there the steps of a journal cannot be reached.
import { createEngine } from '../../../dist/src/engine.js';
import { dieAt } from './batch-points.mjs';

const {
  dataDir,
  id,
  jobs: file,
  resume,
  gate,
  concurrency,
  point,
  engine: more,
  blockMain,
} = JSON.parse(process.argv[2]);
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);
if (point) dieAt(point);

const jobs = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

/** Of several drivers they say themselves what is theirs. */
const isMixed = jobs.some(({ driver }) => driver !== jobs[0].driver);

async function* input() {
  yield* jobs.slice(0, gate).map((job) => (isMixed ? job : job.request));
  // The rest is for the next life.
  if (gate < jobs.length) await new Promise((resolve) => systemClock.timer(2 ** 30, resolve));
}

const engine = await createEngine({ shards: 2, dataDir, ...more });
// A minute of standing still is no fault of a request.
const options = { id, journal: true, resume, concurrency, timeoutMs: 600_000 };
const each = (_, index) => {
  const { request: _request, driver: _driver, ...own } = jobs[index];
  return own;
};
const run = () =>
  isMixed ? engine.batches.run(input(), options) : engine.batch(jobs[0].driver, input(), { ...options, each });
say({ started: true });
const begun = systemClock.now();
let handedOut = 0;
try {
  for await (const { id, outcome, attempts } of run()) {
    say({ id, outcome, attempts });
    if (++handedOut === blockMain?.at) for (const end = systemClock.now() + blockMain.ms; systemClock.now() < end; );
  }
  say({ ended: true });
} catch ({ code, message }) {
  say({ code, message, tookMs: systemClock.now() - begun });
}
await engine.close();
