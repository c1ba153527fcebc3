import { availableParallelism } from 'node:os';
import { cpuEach, interleave, median, perSecond, round } from '../measure.js';
import { startSshServers } from '../peers/ssh-server.js';
import { startProgram } from '../program.js';
import type { BareSsh2 } from '../programs/bare-ssh2.js';
import type { KeylaneSsh } from '../programs/keylane-ssh.js';
import type { Measured, Scenario } from '../scenario.js';

const CONNECTIONS = 100;
const STREAMS = 4;
const EXECS = 6_000;
const ROUNDS = 7;

/** Execs on 100 warm connections, 4 at once on each. What the client's process costs: the server has one of its own. */
export const scenario: Scenario = { name: 'ssh-warm', fixture: 'loopback', limitSeconds: 60, binding: true, measure };

async function measure(): Promise<Measured> {
  const servers = await startSshServers({ addresses: { count: CONNECTIONS }, mode: 'light' });
  const { addresses, port, user, identity, knownHosts } = servers;
  const fleet = { addresses, port, user, identity, knownHosts };
  const [one, two, bare] = await Promise.all([
    startProgram<KeylaneSsh>('keylane-ssh'),
    startProgram<KeylaneSsh>('keylane-ssh'),
    startProgram<BareSsh2>('bare-ssh2'),
  ]);
  const options = { ssh: { streams: STREAMS }, limits: { connectionsPerLane: 1 } };
  await one.ask('start', { fleet, options: { shards: 1, ...options } });
  await two.ask('start', { fleet, options: { shards: 2, ...options } });
  await bare.ask('start', { fleet });
  await one.ask('connect', {});
  await two.ask('connect', {});
  await bare.ask('connect', {});
  const work = { count: EXECS, streams: STREAMS };
  const rounds = await interleave(ROUNDS, {
    one: () => one.ask('run', work),
    bare: () => bare.ask('run', work),
    two: () => two.ask('run', work),
  });
  await Promise.all([one.end(), two.end(), bare.end()]);
  await servers.stop();

  const cpu = (name: keyof typeof rounds) => round(median(rounds[name].map(cpuEach)));
  const rate = (name: keyof typeof rounds) => Math.round(median(rounds[name].map(perSecond)));
  const figures = (name: keyof typeof rounds) => ({ cpuUsPerExec: cpu(name), execsPerSecond: rate(name) });
  const [toBare, twoToOne] = [round(cpu('one') / cpu('bare')), round(cpu('two') / cpu('one'))];
  return {
    figures: { '1 shard': figures('one'), '2 shards': figures('two') },
    peers: { 'ssh2 with noDelay, one thread': figures('bare') },
    ratios: {
      'CPU ÷ ssh2 with noDelay': toBare,
      'CPU, 2 shards ÷ 1 shard': twoToOne,
      'execs/s, 2 shards ÷ 1 shard': round(rate('two') / rate('one')),
      'execs/s ÷ ssh2 with noDelay': round(rate('one') / rate('bare')),
    },
    targets: [
      { what: 'CPU per exec ÷ a bare ssh2 loop with noDelay', value: toBare, atMost: 1.1 },
      { what: 'CPU per exec, 2 shards ÷ 1 shard', value: twoToOne, atMost: 1.1 },
      ...throughput(round(rate('two') / rate('one'))),
    ],
  };
}

/** The server takes a core for itself: two shards can be faster than one only where two more are left for them. */
function throughput(ratio: number) {
  return availableParallelism() >= 4 ? [{ what: 'execs/s, 2 shards ÷ 1 shard', value: ratio, atLeast: 1.3 }] : [];
}
