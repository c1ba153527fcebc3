// Adds accounts to a data directory, one transaction each, and meanwhile changes one that all processes change, each a
// field of its own. Fails if that field is ever not what it wrote last.
// argv: data directory, which process it is, how many accounts. Waits on stdin for the word to begin.
import { once } from 'node:events';
import { openAccounts } from 'keylane';

const [dataDir, index, count] = process.argv.slice(2);
/** How a field is written, and read again. */
const FIELDS = [
  [(i) => ({ user: `u${i}` }), ({ user }) => user],
  [(i) => ({ identity: `/k${i}` }), ({ identity }) => identity],
  [(i) => ({ endpoint: { port: 1 + i } }), ({ endpoint }) => endpoint.port],
  [(i) => ({ endpoint: { jump: `j${i}` } }), ({ endpoint }) => endpoint.jump],
  [(i) => ({ endpoint: { knownHosts: `/h${i}` } }), ({ endpoint }) => endpoint.knownHosts],
  [(i) => ({ secrets: { password: `env:P${i}` } }), ({ secrets }) => secrets.password],
  [(i) => ({ secrets: { passphrase: `env:Q${i}` } }), ({ secrets }) => secrets.passphrase],
  [(i) => ({ limits: { timeoutMs: 1 + i } }), ({ limits }) => limits.timeoutMs],
  [(i) => ({ limits: { maxOutputBytes: i } }), ({ limits }) => limits.maxOutputBytes],
];
const [write, read] = FIELDS[Number(index)] ?? [];

const accounts = openAccounts({ dataDir });
await accounts.list();
process.stdout.write('ready\n');
await once(process.stdin, 'data');
let written;
for (let i = 0; i < Number(count); i++) {
  const name = `p${index}-${i}`;
  await accounts.add({ name, driver: 'ssh', endpoint: { host: `${name}.example` } });
  if (!write || i % 3 > 0) continue;
  const is = written === undefined ? undefined : read(await accounts.get('shared'));
  if (is !== written) throw new Error(`lost: process ${index} wrote ${written}, and now it is ${is}`);
  written = read(await accounts.set('shared', write(i)));
}
await accounts.close();
process.stdin.destroy();
