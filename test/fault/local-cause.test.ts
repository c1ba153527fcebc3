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
test('a host without a route to its network is tried each time', async () => {
  const events: EngineEvent[] = [];
  const engine = await startEngine({ onEvent: (event) => events.push(event) });
  // A group address: the kernel connects to none.
  const login = loginTo(sshd, { host: '224.0.0.1', command: 'true' });
  for (let times = 0; times < 12; times++) {
    const { code, message } = await failure(engine.run('ssh', login));
    expect(code).toBe('ERR_CONNECT');
    expect(message).toContain('no route to the network');
  }
  expect(events.filter(({ type }) => type === 'breaker_open')).toEqual([]);
});

test('a host that could not be connected to for lack of descriptors is served as soon as there are some', async () => {
  const { stdout } = await runProgram('no-descriptors', [
    JSON.stringify(loginTo(sshd, { command: 'true' })),
    JSON.stringify(loginTo(sshd, { host: '127.0.0.2', command: 'true' })),
  ]);
  const { without, events, after } = JSON.parse(stdout) as { without: string[]; events: unknown[]; after: string };
  expect(without).toEqual(new Array(10).fill('ERR_CONNECT EMFILE'));
  expect([events, after]).toEqual([[], 'ok']);
});
