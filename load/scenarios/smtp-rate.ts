import { messages } from '../mail.js';
import { quantile, round } from '../measure.js';
import { startSmtpSink } from '../peers/smtp-sink.js';
import { startProgram } from '../program.js';
import type { KeylaneDrivers } from '../programs/keylane-drivers.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const ACCOUNTS = 50;
/** 50,000 a minute. */
const RATE = 833;

/** 833 messages a second, from their times on, to postfix's smtp-sink, which answers at once. */
export const scenario: Scenario = {
  name: 'smtp-rate',
  fixture: 'loopback',
  limitSeconds: 60,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const sink = await startSmtpSink();
  const program = await startProgram<KeylaneDrivers>('keylane-drivers');
  await program.ask('start', { shards: 2, smtp: { connections: 5 } });
  const asked = { driver: 'smtp', requests: messages(sink, ACCOUNTS), rate: RATE };
  await program.ask('fire', { ...asked, seconds: 2 });
  const cpu = await program.ask('cpu', undefined);
  const seconds = short ? 3 : 20;
  const ms = await program.ask('fire', { ...asked, seconds });
  const cpuUs = (await program.ask('cpu', undefined)) - cpu;
  await program.end();
  await sink.stop();
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => round(quantile(ms, q))) as [number, number, number];
  return {
    figures: { messagesPerSecond: RATE, p50Ms: p50, p95Ms: p95, p99Ms: p99, cpuUsPerMessage: round(cpuUs / ms.length) },
    peers: {},
    ratios: {},
    targets: [{ what: 'ms added at P95, the server’s own part included', value: p95, atMost: 15 }],
    notes: ['no peer: the server answers at once, so all of the time counts as added'],
  };
}
