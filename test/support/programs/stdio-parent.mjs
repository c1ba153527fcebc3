// A program with an engine and N processes of a server of stdio, that ends as its parent says.
// stdio-parent.mjs HOW N MARK: prints `ready` when all have answered, then does HOW at the first line on its stdin:
// `close`, `destroy`, `uncaught`, or `blocked`: the shard's thread is ended, and the program goes on until its input ends.
// Anything else: it waits to be killed.
import { createInterface } from 'node:readline';
import { createEngine } from 'keylane';

const [how, count, mark] = process.argv.slice(2);

// Answers each line; has a child in its own group, one that has left it, and one that ignores SIGTERM.
const SERVER = `
sleep 600 &
setsid sleep 600 &
sh -c 'trap "" TERM HUP INT; while :; do sleep 600; done' &
while read -r line; do
  id=\${line#*\\"id\\":}
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\\n' "\${id%%,*}" "$$"
done
`;

const engine = await createEngine({
  shards: 1,
  drivers: how === 'blocked' ? [new URL('../drivers/crash.mjs', import.meta.url)] : [],
  // Elsewhere the default: to start 50 processes at once keeps a shard on a busy machine for longer than this.
  ...(how === 'blocked' ? { shardBlockedMs: 2_000 } : {}),
  limits: { opensPerKey: 64 },
  stdio: {
    servers: {
      tree: {
        command: 'sh',
        args: ['-c', SERVER],
        initialize: 'none',
        processes: Number(count),
        env: { KEYLANE_TEST: mark },
      },
    },
  },
});
const sessions = Array.from({ length: Number(count) }, (_, i) => `s${i}`);
await Promise.all(sessions.map((session) => engine.run('stdio', { server: 'tree', method: 'pid', session })));
console.log('ready');

createInterface({ input: process.stdin }).once('line', async () => {
  if (how === 'close') await engine.close();
  if (how === 'destroy') await engine.destroy();
  if (how === 'uncaught') throw new Error('as asked');
  if (how === 'blocked') {
    await engine.run('crash', { key: 'tree', id: 1, witness: '/dev/null', die: 'block' }).catch(() => undefined);
    console.log('blocked');
    process.stdin.once('end', () => process.exit(0));
  } else {
    process.exit(0);
  }
});
