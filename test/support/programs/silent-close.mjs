// A program that closes its engine when its peer has fallen silent. It says `ready`, hears that the peer is silent, says
// how its calls ended, and exits by itself or hangs.
import { once } from 'node:events';
import { createEngine } from 'keylane';

const [what, port, user, identity] = process.argv.slice(2);
const request = { host: '127.0.0.1', port: Number(port), user, identity };
const engine = await createEngine({ shards: 1, closeTimeoutMs: 1_500, ssh: { hostKeys: 'insecure', keepaliveMs: 0 } });
const { ready } = await engine.prewarm('ssh', [{ ...request, command: 'true' }], { perKey: 2 });
if (ready !== 1) throw new Error('not connected');
const calls = [];
if (what === 'busy') {
  const stream = engine.stream('ssh', { ...request, command: 'echo on; exec sleep 60' });
  await stream.next();
  calls.push(stream.response);
}
console.log('ready');
await once(process.stdin, 'data');
process.stdin.destroy();
if (what === 'busy') calls.push(engine.run('ssh', { ...request, command: 'true' }, { timeoutMs: 0 }));
const ends = Promise.all(calls.map((call) => call.catch(({ code, outcome }) => `${code} ${outcome}`)));
await engine.close();
console.log(`closed: ${(await ends).join(', ')}`);
