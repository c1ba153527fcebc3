import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { afterAll, beforeAll } from 'vitest';
import { Bell } from '../../src/util/bell.js';
import { freePort, portOf } from '../support/ports.js';
import { describeDriver } from './contract.js';

declare module 'keylane' {
  interface Drivers {
    lines: { request: { host: string; port: number; line: string }; response: { line: string } };
  }
}

/** Inside the package, so that the example's `import 'keylane'` finds it as a user's would. */
const folder = new URL(`../../dist/example-${process.pid}/`, import.meta.url);
const module = new URL('lines.mjs', folder);

beforeAll(async () => {
  const page = readFileSync(new URL('../../docs/drivers.md', import.meta.url), 'utf8');
  const code = /```js\n(\/\/ lines\.mjs\n[\s\S]*?)```/.exec(page)?.[1];
  if (code === undefined) throw new Error('docs/drivers.md has no example that starts with // lines.mjs');
  await mkdir(folder, { recursive: true });
  await writeFile(module, code);
});
afterAll(() => rm(folder, { recursive: true }));

describeDriver({
  name: 'lines',
  options: { drivers: [module] },
  streams: 1,
  without: { talking: 'one line asks and one line answers' },
  async setup() {
    const server = createServer(serve).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const closed = await freePort(['127.0.0.1']);
    const ask = (line: string, port = portOf(server)) => ({ host: '127.0.0.1', port, line });
    return {
      ok: (i) => ask(`say ${i}`),
      answer: ({ line }) => line,
      expected: (i) => `you said ${i}`,
      failing: () => ask('nonsense'),
      refused: () => ask('say 1', closed),
      hanging: () => ask('hang'),
      async started() {
        while (hanging === 0) await hangs.wait();
      },
      losing: () => ask('hang'),
      lose() {
        // Not by a reset: Node never closes the handle of a socket that is reset after its end.
        for (const socket of sockets) socket.destroy();
      },
      async stop() {
        server.close();
        await once(server, 'close');
      },
    };
  },
});

const sockets = new Set<Socket>();
/** Connections on which a `hang` is held. */
let hanging = 0;
const hangs = new Bell();

/** Answers `say X` with `you said X`, `hang` never, and everything else with an error. */
function serve(socket: Socket): void {
  sockets.add(socket);
  let held = 0;
  socket.on('close', () => {
    sockets.delete(socket);
    hanging -= held;
  });
  socket.on('error', () => {});
  socket.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n').slice(0, -1)) {
      if (line === 'hang') {
        held++;
        hanging++;
        hangs.ring();
      } else if (line.startsWith('say ')) socket.write(`you said ${line.slice(4)}\n`);
      else socket.write('ERROR what?\n');
    }
  });
}
