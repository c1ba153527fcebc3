import { cpuEach, interleave, median, perSecond, round } from '../measure.js';
import { startSshServers } from '../peers/ssh-server.js';
import { startSshd } from '../peers/sshd.js';
import { startProgram } from '../program.js';
import type { BareSsh2 } from '../programs/bare-ssh2.js';
import type { KeylaneSsh } from '../programs/keylane-ssh.js';
import type { Measured, Scenario } from '../scenario.js';

const HOSTS = 20;
const STREAMS = 4;
const HANDSHAKES = 40;
/** Before the first that counts: the compiler costs either program as much as the handshakes do, up to about there. */
const WARM_UP = 1_500;
const STEP = 100;
const EXECS = 4_000;
const ROUNDS = 7;

/**
 * Commands on warm connections through one connection to a bastion (a real sshd) beside the same without one, and
 * handshakes beside those of ssh2 alone. What the client's process costs.
 */
export const scenario: Scenario = {
  name: 'ssh-bastion',
  fixture: 'loopback',
  limitSeconds: 90,
  binding: true,
  measure,
};

async function measure(): Promise<Measured> {
  const servers = await startSshServers({ addresses: { count: WARM_UP + HANDSHAKES * (ROUNDS + 1) }, mode: 'light' });
  const gate = await startSshd(['127.0.50.1']);
  const { addresses, port, user, identity, knownHosts } = servers;
  const fleet = { addresses: addresses.slice(0, HOSTS), port, user, identity, knownHosts };
  const all = { ...fleet, addresses };
  const [direct, through, handshakes, bare] = await Promise.all([
    startProgram<KeylaneSsh>('keylane-ssh'),
    startProgram<KeylaneSsh>('keylane-ssh'),
    startProgram<KeylaneSsh>('keylane-ssh'),
    startProgram<BareSsh2>('bare-ssh2'),
  ]);
  // None is closed while we measure: the peer closes none.
  const limits = { connectionsPerLane: 1, connectionsPerShard: 2 * WARM_UP };
  const options = { shards: 1, limits };
  const hop = {
    host: '127.0.50.1',
    port: gate.port,
    user: gate.user,
    identity: gate.identity,
    knownHosts: gate.knownHosts,
  };
  await direct.ask('start', { fleet, options: { ...options, ssh: { streams: STREAMS } } });
  await through.ask('start', { fleet, options: { ...options, ssh: { streams: STREAMS, jump: [hop] } } });
  await handshakes.ask('start', { fleet: all, options });
  await bare.ask('start', { fleet: all });
  await Promise.all([direct.ask('connect', {}), through.ask('connect', {})]);
  const work = { count: EXECS, streams: STREAMS };
  const execs = await interleave(ROUNDS, {
    direct: () => direct.ask('run', work),
    through: () => through.ask('run', work),
  });
  for (let first = 0; first < WARM_UP; first += STEP) {
    await handshakes.ask('connect', { first, count: STEP });
    await bare.ask('connect', { first, count: STEP });
  }
  const [ours, theirs] = [newHosts(), newHosts()];
  const connects = await interleave(ROUNDS, {
    ours: () => handshakes.ask('connect', ours()),
    theirs: () => bare.ask('connect', theirs()),
  });
  await Promise.all([direct.end(), through.end(), handshakes.end(), bare.end()]);
  await Promise.all([servers.stop(), gate.stop()]);

  const cpu = (works: Parameters<typeof cpuEach>[0][]) => round(median(works.map(cpuEach)));
  const toDirect = round(cpu(execs.through) / cpu(execs.direct));
  const toBare = round(cpu(connects.ours) / cpu(connects.theirs));
  return {
    figures: {
      'through a bastion': {
        cpuUsPerExec: cpu(execs.through),
        execsPerSecond: Math.round(median(execs.through.map(perSecond))),
      },
      handshake: { cpuUs: cpu(connects.ours) },
    },
    peers: {
      'keylane without a bastion': { cpuUsPerExec: cpu(execs.direct) },
      'ssh2 alone': { cpuUsPerHandshake: cpu(connects.theirs) },
    },
    ratios: { 'CPU per exec, bastion ÷ direct': toDirect, 'CPU per handshake ÷ ssh2': toBare },
    targets: [
      { what: 'CPU per exec through a warm bastion ÷ a direct one', value: toDirect, atMost: 2 },
      { what: "CPU per handshake ÷ bare ssh2's", value: toBare, atMost: 1.05 },
    ],
  };
}

/** At each call hosts that the program has not connected to before. */
function newHosts(): () => { first: number; count: number } {
  let end = WARM_UP;
  return () => {
    end += HANDSHAKES;
    return { first: end - HANDSHAKES, count: HANDSHAKES };
  };
}
