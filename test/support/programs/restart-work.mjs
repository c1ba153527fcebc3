// restart-work.mjs LIFE LAST HOW: the LIFEth process of a work that dies by HOW until the LASTth ends with status 3. It says
// which signals count. HOW `wait`: it waits, and ends at the third Ctrl-C, or the first SIGTERM.
import { writeSync } from 'node:fs';
import { RestartedIo } from '../../../dist/src/cli/restarted.js';
import { systemClock } from '../../../dist/src/util/clock.js';

const [life, last, how] = process.argv.slice(2);
const io = new RestartedIo();
const say = (text) => writeSync(1, `${text}\n`);
let times = 0;
io.on('SIGINT', () => {
  say(`SIGINT ${++times}`);
  if (times === 3) process.exit(130);
});
io.on('SIGUSR2', () => say('SIGUSR2'));
io.on('SIGTERM', () => process.exit(143));
if (how !== 'early') io.goOn([String(Number(life) + 1), last, how]);
say(`life ${life} ${process.pid}`);
if (life === last) process.exit(3);
// Not before what was said with `goOn` has left.
setImmediate(() => {
  if (how === 'abort' || how === 'early') process.abort();
  if (how === 'wait') systemClock.timer(2 ** 30, () => {});
  else process.kill(process.pid, how);
});
