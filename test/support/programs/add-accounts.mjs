// Adds accounts to a data directory, one transaction each, and changes one that all processes change.
// argv: data directory, the process's own prefix, how many. Waits on stdin for the word to begin.
import { once } from 'node:events';
import { openAccounts } from 'keylane';

const [dataDir, prefix, count] = process.argv.slice(2);
const accounts = openAccounts({ dataDir });
await accounts.list();
process.stdout.write('ready\n');
await once(process.stdin, 'data');
for (let i = 0; i < Number(count); i++) {
  await accounts.add({ name: `${prefix}-${i}`, driver: 'ssh', endpoint: { host: `${prefix}-${i}.example` } });
}
// Each process a field of its own: who reads what was before and writes it back would lose another's.
await accounts.set('shared', { limits: { [prefix === 'p0' ? 'timeoutMs' : 'maxOutputBytes']: 1_000 } });
await accounts.close();
process.stdin.destroy();
