import { round } from '../measure.js';
import type { Fleet } from '../peers/bare-ssh2.js';
import { startSshServers } from '../peers/ssh-server.js';
import { fileDescriptors, type Peak, peakOf } from '../proc.js';
import { startProgram } from '../program.js';
import type { KeylaneSsh } from '../programs/keylane-ssh.js';
import { type Measured, Missing, type Scenario } from '../scenario.js';

const MANY = 10_000;
const FEW = 1_000;
const SHARDS = 2;
const CAP = 500;

/** 10,000 hosts, one command each, at most 500 connections at once: memory and file descriptors must not follow the hosts. */
export const scenario: Scenario = {
  name: 'fleet-10k',
  fixture: 'loopback',
  limitSeconds: 120,
  binding: false,
  measure,
};

interface Swept extends Peak {
  ms: number;
  descriptorsBefore: number;
  failures: string[];
}

async function measure(): Promise<Measured> {
  const servers = await startSshServers({ addresses: { count: MANY }, mode: 'light' });
  const { addresses, port, user, identity, knownHosts } = servers;
  const fleet = { addresses, port, user, identity, knownHosts };
  const few = { ...fleet, addresses: addresses.slice(0, FEW) };
  const before = await sweep(few);
  const all = await sweep(fleet);
  const after = await sweep(few);
  await servers.stop();

  const failures = [before, all, after].flatMap((swept) => swept.failures);
  const fewMs = (before.ms + after.ms) / 2;
  const rssMb = round(all.rssAnonBytes / 1e6);
  // A command that fails early is quick and small: then the rest means nothing.
  const valid = (value: number) => (failures.length === 0 ? value : undefined);
  return {
    figures: {
      seconds: round(all.ms / 1000),
      hostsPerSecond: Math.round((MANY * 1000) / all.ms),
      rssAnonPeakMb: rssMb,
      fileDescriptorsPeak: all.fileDescriptors,
      fileDescriptorsBefore: all.descriptorsBefore,
    },
    peers: {
      [`keylane, ${FEW} hosts`]: { seconds: round(fewMs / 1000), rssAnonPeakMb: round(before.rssAnonBytes / 1e6) },
    },
    ratios: { 'time, 10,000 ÷ 1,000 hosts': round(all.ms / fewMs) },
    targets: [
      { what: 'commands that are not ok', value: failures.length, atMost: 0 },
      { what: 'peak MB of RssAnon', value: valid(rssMb), atMost: 300 },
      { what: 'peak of file descriptors', value: valid(all.fileDescriptors), atMost: CAP + 50 },
      { what: 'time ÷ that of 1,000 hosts', value: valid(round(all.ms / fewMs)), atMost: 11 },
    ],
    notes: failures.slice(0, 5),
  };
}

/** A process of its own for each fleet: the peak of one is not the other's start. */
async function sweep(fleet: Fleet): Promise<Swept> {
  const program = await startProgram<KeylaneSsh>('keylane-ssh');
  const limits = { connectionsPerShard: CAP / SHARDS };
  await program.ask('start', { fleet, options: { shards: SHARDS, limits } });
  const descriptorsBefore = fileDescriptors(program.pid);
  const batch = program.ask('batch', { concurrency: CAP });
  const peak = await peakOf(program.pid, batch);
  const { ms, failures } = await batch;
  await program.end();
  if (peak.fileDescriptors === 0) throw new Missing('/proc tells nothing of the measured process: is this Linux?');
  return { ms, failures, descriptorsBefore, ...peak };
}
