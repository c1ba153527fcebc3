import { createEngine } from 'keylane';
import { NodeSSH } from 'node-ssh';
import { interleave, median, msEach, round, runAll } from '../measure.js';
import { connect, exec } from '../peers/bare-ssh2.js';
import { startSshd } from '../peers/sshd.js';
import type { Measured, Scenario } from '../scenario.js';

const ADDRESS = '127.0.0.1';
const EXECS = 60;
/** It waits 40 ms for each; more of them would tell no more. */
const SLOW_EXECS = 10;
const ROUNDS = 15;

/** One exec after another on one warm connection to a real sshd: does the way through a thread cost what Nagle's does? */
export const scenario: Scenario = { name: 'ssh-lone', fixture: 'loopback', limitSeconds: 60, binding: false, measure };

async function measure(): Promise<Measured> {
  const sshd = await startSshd([ADDRESS]);
  const { port, user, identity, knownHosts } = sshd;
  const engine = await createEngine({ shards: 1, ssh: { port, user, identity, knownHosts } });
  const client = await connect(sshd, ADDRESS);
  const nodeSsh = await new NodeSSH().connect({ host: ADDRESS, port, username: user, privateKeyPath: identity });
  const rounds = await interleave(ROUNDS, {
    keylane: () => runAll(1, EXECS, async () => wasOk(await engine.run('ssh', { host: ADDRESS, command: 'true' }))),
    ssh2: () => runAll(1, EXECS, async () => wasOk(await exec(client, 'true'))),
    nodeSsh: () => runAll(1, SLOW_EXECS, async () => wasOk(await nodeSsh.execCommand('true'))),
  });
  client.end();
  nodeSsh.dispose();
  await engine.close();
  await sshd.stop();

  const ms = (name: keyof typeof rounds) => round(median(rounds[name].map(msEach)));
  const ratio = (a: keyof typeof rounds, b: keyof typeof rounds) =>
    round(median(rounds[a].map((work, i) => msEach(work) / msEach(rounds[b][i]!))));
  const [toNodeSsh, toSsh2] = [ratio('nodeSsh', 'keylane'), ratio('keylane', 'ssh2')];
  return {
    figures: { msPerExec: ms('keylane') },
    peers: { 'node-ssh': { msPerExec: ms('nodeSsh') }, 'ssh2 with noDelay': { msPerExec: ms('ssh2') } },
    ratios: { 'node-ssh ÷ keylane': toNodeSsh, 'keylane ÷ ssh2 with noDelay': toSsh2 },
    targets: [
      { what: 'times faster than node-ssh as it comes', value: toNodeSsh, atLeast: 15 },
      { what: 'time ÷ a bare ssh2 loop with noDelay', value: toSsh2, atMost: 1.15 },
    ],
  };
}

function wasOk({ code }: { code: number | null }): void {
  if (code !== 0) throw new Error(`exit code ${code}`);
}
