// Uses up the descriptors of this process, all but some, asks for connections, gives them back and asks again.
import { closeSync, openSync } from 'node:fs';
import { createEngine } from 'keylane';

// `spare`: how many are left at each try.
const [warm, cold, spare] = process.argv.slice(2).map((text) => JSON.parse(text));
const events = [];
const engine = await createEngine({
  shards: 1,
  onEvent: (event) => event.type === 'breaker_open' && events.push(event),
});
const end = (request) =>
  engine.run('ssh', request).then(
    () => 'ok',
    ({ code, cause }) => `${code} ${cause?.code}`,
  );
// The key and known_hosts are read here: later there is no descriptor for them.
if ((await end(warm)) !== 'ok') throw new Error('the first host is not there');
const held = [];
const without = [];
for (const left of spare) {
  try {
    for (;;) held.push(openSync('/dev/null'));
  } catch (error) {
    if (error.code !== 'EMFILE') throw error;
  }
  for (const descriptor of held.splice(0, left)) closeSync(descriptor);
  without.push(await end(cold));
}
for (const descriptor of held) closeSync(descriptor);
const after = await end(cold);
await engine.close();
console.log(JSON.stringify({ without, events, after }));
