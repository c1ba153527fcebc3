import type { EngineEvent } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';
import { runProgram } from '../support/programs/run.js';
import { loginTo } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd({ addresses: ['127.0.0.1', '127.0.0.2'] });
});
afterAll(() => sshd.stop());

/** PROMISES P7: what goes wrong on this machine never counts against a host. */
test.each(['ssh2', 'openssh'] as const)(
  'a host without a route to its network is tried each time (%s)',
  async (transport) => {
    const events: EngineEvent[] = [];
    const engine = await startEngine({ onEvent: (event) => events.push(event) });
    // A group address: the kernel connects to none.
    const login = loginTo(sshd, { host: '224.0.0.1', command: 'true', transport });
    for (let times = 0; times < 12; times++) {
      const { code, message } = await failure(engine.run('ssh', login));
      expect(code).toBe('ERR_CONNECT');
      expect(message).toMatch(/no route to the network|Network is unreachable/);
    }
    expect(events.filter(({ type }) => type === 'breaker_open')).toEqual([]);
  },
);

test('a host that could not be connected to for lack of descriptors is served as soon as there are some', async () => {
  const { stdout } = await runProgram('no-descriptors', [
    JSON.stringify(loginTo(sshd, { command: 'true' })),
    JSON.stringify(loginTo(sshd, { host: '127.0.0.2', command: 'true' })),
    JSON.stringify(new Array(10).fill(0)),
  ]);
  const { without, events, after } = JSON.parse(stdout) as { without: string[]; events: unknown[]; after: string };
  expect(without).toEqual(new Array(10).fill('ERR_CONNECT EMFILE'));
  expect([events, after]).toEqual([[], 'ok']);
});

test.each([
  ['', {}],
  [' that is told a passphrase', { passphrase: 'file:/dev/null' }],
])(
  'nor is it held against a host that there is no descriptor for ssh%s, or too few, or for the way to it',
  async (_, told) => {
    const { stdout } = await runProgram('no-descriptors', [
      JSON.stringify(loginTo(sshd, { command: 'true' })),
      JSON.stringify(loginTo(sshd, { host: '127.0.0.2', command: 'true', transport: 'openssh', ...told })),
      JSON.stringify(Array.from({ length: 16 }, (_, left) => left)),
    ]);
    const { without, events, after } = JSON.parse(stdout) as { without: string[]; events: unknown[]; after: string };
    expect(without.slice(0, 4)).toEqual(new Array(4).fill('ERR_CONNECT EMFILE'));
    for (const end of without) expect(end).toMatch(/^(?:ERR_CONNECT EMFILE|ok)$/);
    expect([events, after]).toEqual([[], 'ok']);
  },
);
