// open-jobs.mjs FILE [DIR]: opens the jobs of a file (with DIR: of stdin, copied there), reads them all, and says how many
// there were and what memory this process had at most.
import { readFileSync } from 'node:fs';
import { openJobs, reopenJobs } from '../../../dist/src/index.js';

const [file, spoolDir] = process.argv.slice(2);
const source = await (spoolDir === undefined ? openJobs(file) : openJobs(process.stdin, { spoolDir }));
let read = 0;
for await (const _ of source.read(() => true)) read++;
await reopenJobs(source.identity);
const most = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1] / 1024;
console.log(JSON.stringify({ total: source.total, read, most }));
