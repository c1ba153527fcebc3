import { setTimeout as wait } from 'node:timers/promises';
import { round } from '../measure.js';
import { startSshServers } from '../peers/ssh-server.js';
import { rssAnon } from '../proc.js';
import { type Program, startProgram } from '../program.js';
import type { KeylaneSsh } from '../programs/keylane-ssh.js';
import type { Measured, Scenario } from '../scenario.js';

/** These load the code and grow the heaps (the young generation alone by 30 MB), so that the next show what one holds. */
const FIRST = 500;
const CONNECTIONS = 1_000;

/** What an idle engine of 2 shards holds, and each idle SSH connection. */
export const scenario: Scenario = { name: 'memory', fixture: 'loopback', limitSeconds: 60, binding: false, measure };

async function measure(): Promise<Measured> {
  const servers = await startSshServers({ addresses: { count: FIRST + CONNECTIONS }, mode: 'light' });
  const { addresses, port, user, identity, knownHosts } = servers;
  const program = await startProgram<KeylaneSsh>('keylane-ssh', ['--expose-gc']);
  await program.ask('start', {
    fleet: { addresses, port, user, identity, knownHosts },
    options: { shards: 2, drivers: [new URL('../programs/gc-driver.js', import.meta.url).href] },
  });
  const idle = await settled(program);
  await program.ask('connect', { count: FIRST });
  const withSome = await settled(program);
  await program.ask('connect', { first: FIRST, count: CONNECTIONS });
  const withAll = await settled(program);
  await program.end();
  await servers.stop();

  const mb = (bytes: number) => round(bytes / 1e6);
  const kbEach = round((withAll - withSome) / CONNECTIONS / 1000);
  return {
    figures: {
      idleEngineMb: mb(idle),
      [`mbWith${FIRST}Connections`]: mb(withSome),
      [`mbWith${FIRST + CONNECTIONS}Connections`]: mb(withAll),
      kbPerConnection: kbEach,
    },
    peers: {},
    ratios: {},
    targets: [
      { what: 'kB of RssAnon of an idle SSH connection', value: kbEach, atMost: 60 },
      { what: 'MB of RssAnon of an idle engine of 2 shards', value: mb(idle), atMost: 100 },
    ],
    notes: ['no peer: whole process, after garbage collection in all threads'],
  };
}

/** Twice: what the first collection finalizes, the second one frees. */
async function settled(program: Program<KeylaneSsh>): Promise<number> {
  for (let i = 0; i < 2; i++) {
    await program.ask('collect', { driver: 'gc' });
    await wait(200);
  }
  return rssAnon(program.pid);
}
