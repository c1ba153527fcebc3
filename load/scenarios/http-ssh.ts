import autocannon from 'autocannon';
import { interleave, median, perSecond, round, type Work } from '../measure.js';
import { startSshd } from '../peers/sshd.js';
import { startProgram } from '../program.js';
import type { KeylaneSsh } from '../programs/keylane-ssh.js';
import type { ServiceProgram } from '../programs/service.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const HOSTS = 100;
const STREAMS = 2;
const COMMANDS = 1_000;
const ROUNDS = 7;

/** `true` on 100 hosts, 200 at once, over connections that are there: through HTTP, and by the library. */
export const scenario: Scenario = { name: 'http-ssh', fixture: 'loopback', limitSeconds: 120, binding: false, measure };

async function measure({ short }: Size): Promise<Measured> {
  const sshd = await startSshd(Array.from({ length: HOSTS }, (_, i) => `127.6.1.${i + 1}`));
  const { addresses, port, user, identity, knownHosts } = sshd;
  const [library, service] = await Promise.all([
    startProgram<KeylaneSsh>('keylane-ssh'),
    startProgram<ServiceProgram>('service'),
  ]);
  await library.ask('start', { fleet: { addresses, port, user, identity, knownHosts }, options: { shards: 1 } });
  const ssh = { port, user, identity, knownHosts };
  const { url, token } = await service.ask('start', { engine: { shards: 1, ssh } });
  const overHttp = async (): Promise<Work> => {
    const { duration, non2xx, errors } = await autocannon({
      url: `${url}/v1/run`,
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      requests: addresses.map((host) => ({
        body: JSON.stringify({ driver: 'ssh', request: { host, command: 'true' } }),
      })),
      connections: HOSTS * STREAMS,
      amount: COMMANDS,
      timeout: 60,
    });
    if (non2xx + errors > 0) throw new Error(`${non2xx} refused, ${errors} errors`);
    return { count: COMMANDS, ms: duration * 1000, cpuUs: 0 };
  };
  const rounds = await interleave(short ? 2 : ROUNDS, {
    library: () => library.ask('run', { count: COMMANDS, streams: STREAMS }),
    service: overHttp,
  });
  await Promise.all([library.end(), service.end()]);
  await sshd.stop();

  const ratio = round(median(rounds.service.map((work, i) => perSecond(work) / perSecond(rounds.library[i]!))));
  return {
    figures: { commandsPerSecond: round(median(rounds.service.map(perSecond))) },
    peers: { 'the library': { commandsPerSecond: round(median(rounds.library.map(perSecond))) } },
    ratios: { 'commands/s ÷ the library': ratio },
    targets: [{ what: 'commands/s ÷ the library', value: ratio, atLeast: 0.95 }],
  };
}
