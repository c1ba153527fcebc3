import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startProxy } from '../support/proxy.js';
import { type Sshd, startSshd } from '../support/sshd.js';

const PROGRAM = fileURLToPath(new URL('../support/programs/silent-close.mjs', import.meta.url));
/** `closeTimeoutMs` of the program, and what a busy machine needs on top to end a process. */
const CLOSE_MS = 1_500;
const LATE_MS = 6_000;

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(() => sshd.stop());

test.each([
  ['busy', 'closed: ERR_CLOSED unknown, ERR_CLOSED not_started'],
  ['idle', 'closed: '],
])(
  'an engine whose %s peers are silent closes in its time, and the program exits by itself (P11)',
  async (what, said) => {
    await using proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port } });
    const program = spawn(process.execPath, [PROGRAM, what, String(proxy.port), sshd.user, sshd.identity]);
    const exited = once(program, 'exit') as Promise<[number | null, string | null]>;
    let complaints = '';
    program.stderr.on('data', (text) => {
      complaints += text;
    });
    const lines = createInterface(program.stdout)[Symbol.asyncIterator]();
    expect((await lines.next()).value, complaints).toBe('ready');
    expect(proxy.connections).toHaveLength(2);
    for (const connection of proxy.connections) connection.cut('blackhole');
    const begun = performance.now();
    program.stdin.write('silent\n');
    expect((await lines.next()).value, complaints).toBe(said);
    expect(await exited).toEqual([0, null]);
    expect(complaints).toBe('');
    expect(performance.now() - begun).toBeLessThan(CLOSE_MS + LATE_MS);
  },
);
