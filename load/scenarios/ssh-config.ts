import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SshConfigFiles } from '../../src/targets/ssh-config/ssh-config.js';
import { systemClock } from '../../src/util/clock.js';
import { median, round } from '../measure.js';
import type { Measured, Scenario } from '../scenario.js';

const BLOCKS = 200;
const HOSTS = 1_000;
const ROUNDS = 9;

/** Options of hosts by an ssh_config of 200 blocks: the first look at a host, and the same again. */
export const scenario: Scenario = {
  name: 'ssh-config',
  fixture: 'dispatch',
  limitSeconds: 30,
  binding: false,
  measure,
};

async function measure(): Promise<Measured> {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
  const path = join(dir, 'config');
  const block = (i: number) =>
    `Host rack-${i}-*\n  User u${i}\n  Port ${2_000 + i}\n  IdentityFile ~/.ssh/k${i}\n${i % 10 === 0 ? 'Match user root\n  ServerAliveInterval 5\n' : ''}`;
  writeFileSync(path, `${Array.from({ length: BLOCKS }, (_, i) => block(i)).join('')}Host *\n  Compression yes\n`, {
    mode: 0o600,
  });
  const first: number[] = [];
  const again: number[] = [];
  for (let i = 0; i <= ROUNDS; i++) {
    const files = new SshConfigFiles({ files: [{ path, from: 'flag' }], clock: systemClock });
    // Reading the file is no part of it.
    await files.resolve({ host: 'other' });
    const look = async () => {
      const since = performance.now();
      for (let host = 0; host < HOSTS; host++) {
        const config = files.resolve({ host: `rack-${host % BLOCKS}-${host}` });
        if (config instanceof Promise) await config;
        else if (config.port !== 2_000 + (host % BLOCKS)) throw new Error('another port');
      }
      return performance.now() - since;
    };
    const [cold, warm] = [await look(), await look()];
    if (i === 0) continue;
    first.push(cold);
    again.push(warm);
  }
  rmSync(dir, { recursive: true });
  const [coldMs, warmUs] = [round(median(first)), round((median(again) * 1000) / HOSTS)];
  return {
    figures: { msFor1000NewHosts: coldMs, usEachAgain: warmUs },
    peers: {},
    ratios: {},
    targets: [
      { what: 'ms for 1,000 hosts, 200 blocks', value: coldMs, atMost: 50 },
      { what: 'µs for a host that was looked up before', value: warmUs, atMost: 10 },
    ],
  };
}
