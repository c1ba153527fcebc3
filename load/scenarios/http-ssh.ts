import { interleave, median, perSecond, round, runAll } from '../measure.js';
import { OpenLoop, requestText } from '../open-loop.js';
import { startSshd } from '../peers/sshd.js';
import { startProgram } from '../program.js';
import type { KeylaneSsh } from '../programs/keylane-ssh.js';
import type { ServiceProgram } from '../programs/service.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const HOSTS = 100;
const STREAMS = 2;
const COMMANDS = 2_000;
const ROUNDS = 6;

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
  const client = new OpenLoop(url);
  const texts = addresses.map((host) => requestText(url, token, { driver: 'ssh', request: { host, command: 'true' } }));
  const overHttp = () =>
    runAll(HOSTS * STREAMS, COMMANDS, async (lane) => {
      const status = await client.ask(texts[lane % HOSTS]!);
      if (status !== 200) throw new Error(`answered with ${status}`);
    });
  const rounds = await interleave(short ? 2 : ROUNDS, {
    library: () => library.ask('run', { count: COMMANDS, streams: STREAMS }),
    service: overHttp,
  });
  client.close();
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
