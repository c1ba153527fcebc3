import { fileURLToPath } from 'node:url';
import { runChild } from '../child.js';
import { interleave, median, round } from '../measure.js';
import { FANOUT, toolArgv, tools } from '../peers/openssh-tools.js';
import { type Sshd, startSshd } from '../peers/sshd.js';
import type { Figures, Measured, Scenario, Target } from '../scenario.js';

const HOSTS = 100;
const ROUNDS = 2;
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** `true` on 100 hosts from nothing, as somebody at a shell sees it: process, handshakes, one command each, and the end. */
export const scenario: Scenario = { name: 'ssh-cold', fixture: 'loopback', limitSeconds: 90, binding: true, measure };

async function measure(): Promise<Measured> {
  const sshd = await startSshd(Array.from({ length: HOSTS }, (_, i) => `127.2.0.${i + 1}`));
  const { present, notes } = tools();
  const commands: Record<string, string[]> = { keylane: keylane(sshd) };
  for (const name of present) commands[name] = toolArgv(name, sshd);
  const runs = Object.entries(commands).map(([name, argv]) => [name, async () => (await runChild(argv)).ms] as const);
  const rounds = await interleave(ROUNDS, Object.fromEntries(runs));
  await sshd.stop();

  const seconds = (name: string) => round(median(rounds[name]!) / 1000);
  const ratios = Object.fromEntries(present.map((name) => [name, round(seconds('keylane') / seconds(name))]));
  const targets: Target[] = ['clush', 'parallel-ssh'].map((name) => ({
    what: `wall time ÷ ${name}`,
    value: ratios[name],
    atMost: 0.4,
  }));
  return {
    figures: { seconds: seconds('keylane') },
    peers: Object.fromEntries(present.map((name): [string, Figures] => [name, { seconds: seconds(name) }])),
    ratios,
    targets,
    notes,
  };
}

function keylane({ addresses, port, user, identity, knownHosts }: Sshd): string[] {
  const flags = ['-l', user, '-p', String(port), '-i', identity, '--known-hosts', knownHosts, '-c', String(FANOUT)];
  return [process.execPath, ...process.execArgv, MAIN, 'exec', '-F', 'none', ...flags, ...addresses, '--', 'true'];
}
