// Does with accounts what can go wrong with secrets, as loudly as Node can tell of it.
// stdin: { dataDir, tries: [{ what, args }], verify } as JSON. Writes what each came to on stdout.
import { inspect } from 'node:util';
import { createEngine } from 'keylane';

let text = '';
for await (const piece of process.stdin) text += piece;
const { dataDir, tries, request } = JSON.parse(text);
process.umask(0);
const tell = (what, value) => {
  const shown = inspect(value, { depth: Infinity, showHidden: true, maxStringLength: null, maxArrayLength: null });
  process.stdout.write(`${what}: ${shown} ${JSON.stringify(value)}\n`);
};
const engine = await createEngine({
  shards: 1,
  dataDir,
  allowCommands: true,
  ssh: { agent: 'none' },
  onEvent: (event) => tell('event', event),
});
for (const { what, args } of tries) {
  tell(
    what,
    await engine.accounts[what](...args).catch((error) => {
      process.stdout.write(`${error.code} ${error.stack}\n`);
      return error;
    }),
  );
}
tell('run', await engine.run('ssh', request).catch((error) => error));
tell('stats', await engine.stats());
await engine.close();
process.stdout.write('ended\n');
