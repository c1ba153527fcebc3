import { spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from 'keylane';
import { interleave, median, round } from '../measure.js';
import { startSshd } from '../peers/sshd.js';
import { type Measured, Missing, type Scenario } from '../scenario.js';

const BYTES = 256 << 20;
const ROUNDS = 3;
const ADDRESS = '127.0.51.1';

/** One file of 256 MiB to a real sshd and back, beside OpenSSH's sftp, both writing it down for good (fsync). */
export const scenario: Scenario = { name: 'ssh-copy', fixture: 'loopback', limitSeconds: 120, binding: true, measure };

async function measure(): Promise<Measured> {
  if (!existsSync('/usr/bin/sftp')) throw new Missing('sftp is missing: apt-get install openssh-client');
  const sshd = await startSshd([ADDRESS]);
  const dir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
  const source = join(dir, 'source');
  writeRandom(source);
  const { port, user, identity, knownHosts } = sshd;
  const engine = await createEngine({ shards: 1, ssh: { port, user, identity, knownHosts } });
  const run = (request: object) => engine.run('ssh', { host: ADDRESS, ...request }, { timeoutMs: 0 });
  const there = String((await run({ command: 'mktemp -d' })).stdout).trim();
  const before = process.memoryUsage().rss;
  let peak = before;
  const ours = async (request: object) => {
    const since = performance.now();
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 20);
    const { code, stderr } = await run(request);
    clearInterval(watch);
    if (code !== 0) throw new Error(String(stderr));
    return performance.now() - since;
  };
  const options = ['StrictHostKeyChecking=yes', 'IdentitiesOnly=yes', `UserKnownHostsFile=${knownHosts}`];
  const argv = ['-q', '-F', 'none', '-P', String(port), '-i', identity, ...options.flatMap((one) => ['-o', one])];
  const sftp = (line: string) => {
    const since = performance.now();
    const { status, stderr } = spawnSync('sftp', [...argv, '-b', '-', `${user}@${ADDRESS}`], { input: `${line}\n` });
    if (status !== 0) throw new Error(String(stderr));
    return performance.now() - since;
  };
  const back = join(dir, 'back');
  const rounds = await interleave(ROUNDS, {
    put: () => ours({ op: 'put', local: source, remote: `${there}/a` }),
    sftpPut: () => sftp(`put -f ${source} ${there}/b`),
    get: () => ours({ op: 'get', local: back, remote: `${there}/a` }),
    sftpGet: () => sftp(`get -f ${there}/b ${back}`),
  });
  await run({ command: `rm -rf ${there}` });
  await engine.close();
  await sshd.stop();
  rmSync(dir, { recursive: true });

  const rate = (name: keyof typeof rounds) => Math.round(BYTES / 1e3 / median(rounds[name]));
  const put = round(median(rounds.sftpPut) / median(rounds.put));
  const get = round(median(rounds.sftpGet) / median(rounds.get));
  const grown = Math.round((peak - before) / 1e6);
  return {
    figures: { put: { MBs: rate('put') }, get: { MBs: rate('get') }, rssGrowthMB: grown },
    peers: { sftp: { putMBs: rate('sftpPut'), getMBs: rate('sftpGet') } },
    ratios: { 'put, throughput ÷ sftp': put, 'get, throughput ÷ sftp': get },
    targets: [
      { what: "throughput of put ÷ OpenSSH's sftp", value: put, atLeast: 0.8 },
      { what: "throughput of get ÷ OpenSSH's sftp", value: get, atLeast: 0.8 },
      { what: 'MB of memory that copying takes', value: grown, atMost: 64 },
    ],
  };
}

function writeRandom(path: string): void {
  const piece = randomFillSync(Buffer.alloc(1 << 20));
  const file = openSync(path, 'w');
  for (let at = 0; at < BYTES; at += piece.length) writeSync(file, piece);
  closeSync(file);
}
