// One file there and back: `node copy-memory.mjs REQUEST`, the fields of a request with `local`, `remote` and `back` as JSON.
// Says how much memory each took beyond what this process had before the first: { put, get }, in bytes. In a process of its
// own, because a peak is the process's.
import { readFileSync, writeFileSync } from 'node:fs';
import { createEngine } from 'keylane';

const { local, remote, back, ...login } = JSON.parse(process.argv[2]);
const engine = await createEngine({ shards: 1 });

/** Of /proc/self/status, in bytes. */
function field(name) {
  const [, kib] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(kib) * 1024;
}

async function peakOf(request) {
  // Makes the peak what is held now (proc(5)).
  writeFileSync('/proc/self/clear_refs', '5');
  const { code, stderr } = await engine.run('ssh', { ...login, ...request }, { timeoutMs: 600_000 });
  if (code !== 0) throw new Error(stderr);
  return field('VmHWM') - before;
}

await engine.run('ssh', { ...login, command: 'true' });
const before = field('VmRSS');
const put = await peakOf({ op: 'put', local, remote });
const get = await peakOf({ op: 'get', local: back, remote });
await engine.close();
process.stdout.write(JSON.stringify({ put, get }));
