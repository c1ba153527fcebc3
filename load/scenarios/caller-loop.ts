import { median, round } from '../measure.js';
import { startSshServers } from '../peers/ssh-server.js';
import { startProgram } from '../program.js';
import type { BareSsh2 } from '../programs/bare-ssh2.js';
import type { KeylaneSsh } from '../programs/keylane-ssh.js';
import type { Measured, Scenario } from '../scenario.js';

const HOSTS = 200;
const ROUNDS = 3;

/** 200 cold handshakes at once: how late is the caller's own event loop, in whose thread nobody wants to wait? */
export const scenario: Scenario = {
  name: 'caller-loop',
  fixture: 'loopback',
  limitSeconds: 60,
  binding: true,
  measure,
};

interface Delay {
  p99Ms: number;
  maxMs: number;
  ms: number;
}

async function measure(): Promise<Measured> {
  const servers = await startSshServers({ addresses: { count: HOSTS }, mode: 'light' });
  const { addresses, port, user, identity, knownHosts } = servers;
  const fleet = { addresses, port, user, identity, knownHosts };
  const delays: { keylane: Delay[]; ssh2: Delay[] } = { keylane: [], ssh2: [] };
  // A process for each: cold is also the code that never ran.
  for (let i = 0; i < ROUNDS; i++) {
    const keylane = await startProgram<KeylaneSsh>('keylane-ssh');
    await keylane.ask('start', { fleet, options: {} });
    delays.keylane.push(await keylane.ask('handshakes', undefined));
    await keylane.end();
    const ssh2 = await startProgram<BareSsh2>('bare-ssh2');
    await ssh2.ask('start', { fleet });
    delays.ssh2.push(await ssh2.ask('handshakes', undefined));
    await ssh2.end();
  }
  await servers.stop();

  const of = (name: keyof typeof delays, figure: keyof Delay) =>
    round(median(delays[name].map((delay) => delay[figure])));
  const figures = (name: keyof typeof delays) => ({
    p99Ms: of(name, 'p99Ms'),
    maxMs: of(name, 'maxMs'),
    ms: of(name, 'ms'),
  });
  return {
    figures: figures('keylane'),
    peers: { "ssh2 in the caller's thread": figures('ssh2') },
    ratios: { 'p99 of ssh2 ÷ keylane': round(of('ssh2', 'p99Ms') / of('keylane', 'p99Ms')) },
    targets: [{ what: "p99 ms of the caller's event-loop delay", value: of('keylane', 'p99Ms'), atMost: 5 }],
    notes: ['the delay is that between two ticks of 1 ms: an idle loop reads 1.1'],
  };
}
