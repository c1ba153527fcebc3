import { setTimeout as wait } from 'node:timers/promises';
import { messages } from '../mail.js';
import { round } from '../measure.js';
import { type SmtpSink, startSmtpSink } from '../peers/smtp-sink.js';
import { fileDescriptors, rssAnon } from '../proc.js';
import { type Program, startProgram } from '../program.js';
import type { KeylaneDrivers } from '../programs/keylane-drivers.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const ACCOUNTS = 1_000;
const EACH = 10;
/** These load the code and grow the heaps, so that the next show what one holds. */
const FIRST = 100;
/** A smtp-sink takes 0.2 ms for a connection where it has few, and 4 ms where it has 10,000: so each has 1,000. */
const ACCOUNTS_A_SINK = 100;

/** 1,000 accounts × 10 connections, opened before anybody needs them. */
export const scenario: Scenario = {
  name: 'smtp-prewarm',
  fixture: 'loopback',
  limitSeconds: 120,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const accounts = FIRST + (short ? ACCOUNTS / 5 : ACCOUNTS);
  const sinks: SmtpSink[] = [];
  while (sinks.length * ACCOUNTS_A_SINK < accounts) sinks.push(await startSmtpSink(['-t', '600']));
  const program = await startProgram<KeylaneDrivers>('keylane-drivers', ['--expose-gc']);
  await program.ask('start', {
    shards: 2,
    smtp: { connections: EACH },
    limits: { connectionsPerShard: ACCOUNTS * EACH },
  });
  const requests = sinks.flatMap((sink) => messages(sink, ACCOUNTS_A_SINK));
  await program.ask('prewarm', { driver: 'smtp', requests: requests.slice(0, FIRST), perKey: EACH });
  const before = await settled(program);
  const fds = fileDescriptors(program.pid);
  const work = await program.ask('prewarm', { driver: 'smtp', requests: requests.slice(FIRST), perKey: EACH });
  const held = fileDescriptors(program.pid) - fds;
  const kbEach = round(((await settled(program)) - before) / work.count / 1000);
  await program.end();
  await Promise.all(sinks.map((sink) => sink.stop()));
  return {
    figures: {
      connections: work.count,
      seconds: round(work.ms / 1000),
      connectionsPerSecond: Math.round((work.count * 1000) / work.ms),
      'CPU, µs each': round(work.cpuUs / work.count),
      'file descriptors for them': held,
      kbPerConnection: kbEach,
    },
    peers: {},
    ratios: {},
    targets: [
      { what: 'connections there', value: held, atLeast: work.count },
      { what: 'kB of RssAnon of an idle connection', value: kbEach, atMost: 40 },
    ],
    notes: ['no peer: whole process, after garbage collection in all threads'],
  };
}

/** Twice: what the first collection finalizes, the second one frees. */
async function settled(program: Program<KeylaneDrivers>): Promise<number> {
  for (let i = 0; i < 2; i++) {
    await program.ask('collect', { shards: 2 });
    await wait(200);
  }
  return rssAnon(program.pid);
}
