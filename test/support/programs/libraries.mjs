// Asks each driver for something at a port where nobody listens; prints what packages each thread has loaded then.
import { createEngine } from 'keylane';
import { packages } from '../packages.mjs';

const SHARDS = 4;
const [port, keyOfShard] = [Number(process.argv[2]), JSON.parse(process.argv[3])];
const host = '127.0.0.1';
const engine = await createEngine({
  shards: SHARDS,
  drivers: [new URL('../drivers/libraries.mjs', import.meta.url)],
  stdio: { servers: { cat: { command: 'cat', initialize: 'none' } } },
});
const envelope = { from: 'a@example.test', to: 'b@example.test' };
const requests = {
  echo: { key: 'one' },
  ssh: { host, port, user: 'nobody', command: 'true', hostKeys: 'insecure' },
  smtp: { host, port, tls: 'none', envelope, raw: 'Subject: none\r\n\r\nnothing\r\n' },
  stdio: { server: 'cat', method: 'ping', notify: true },
  http: { url: `http://${host}:${port}/` },
};
const ran = {};
for (const [driver, request] of Object.entries(requests)) {
  const { shard, outcome, error } = await engine.result(driver, request);
  ran[driver] = { shard, outcome, code: error?.code };
}
const shards = [];
for (const key of keyOfShard) shards.push((await engine.run('libraries', { key })).packages);
await engine.close();
console.log(JSON.stringify({ ran, main: packages(), shards }));
