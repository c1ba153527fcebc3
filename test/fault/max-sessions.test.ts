import { expect, test } from 'vitest';
import { startEngine } from '../support/engine.js';
import { connectionsTo, loginTo } from '../support/ssh-login.js';
import { startSshd } from '../support/sshd.js';

const REQUESTS = 1_000;
const CONNECTIONS = 2;

test.each([1, 2, 5, 10])(
  '1,000 requests at once against sshd with MaxSessions %i: none fails, and 2 connections carry them (P9)',
  async (sessions) => {
    await using sshd = await startSshd({ config: [`MaxSessions ${sessions}`] });
    const engine = await startEngine({ limits: { connectionsPerLane: CONNECTIONS } });
    const requests = Array.from({ length: REQUESTS }, (_, i) => loginTo(sshd, { command: `exit ${i % 256}` }));
    // One try each, so that no failure hides behind a second one. 4 minutes: nobody looks at the time here.
    const runs = requests.map((request) => engine.run('ssh', request, { timeoutMs: 240_000 }));
    const codes = (await Promise.all(runs)).map(({ code }) => code);
    expect(codes).toEqual(requests.map((_, i) => i % 256));
    // As many at once as there were in all.
    expect(connectionsTo(sshd)).toBeLessThanOrEqual(CONNECTIONS);
  },
  240_000,
);
