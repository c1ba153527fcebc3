import { runChild, type Spent } from '../child.js';
import { MESSAGE, messages } from '../mail.js';
import { cpuEach, interleave, median, perSecond, round } from '../measure.js';
import { smtpSource, startSmtpSink } from '../peers/smtp-sink.js';
import { startProgram } from '../program.js';
import type { BareNodemailer } from '../programs/bare-nodemailer.js';
import type { KeylaneDrivers } from '../programs/keylane-drivers.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const ACCOUNTS = 10;
const CONNECTIONS = 50;
/** More than connections: the next message is there when one ends. */
const LANES = 200;
const MESSAGES = 10_000;
const ROUNDS = 5;

/** Messages of 2 kB over 50 connections to postfix's smtp-sink. */
export const scenario: Scenario = {
  name: 'smtp-send',
  fixture: 'loopback',
  limitSeconds: 90,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const sink = await startSmtpSink();
  const [keylane, bare] = await Promise.all([
    startProgram<KeylaneDrivers>('keylane-drivers'),
    startProgram<BareNodemailer>('bare-nodemailer'),
  ]);
  await keylane.ask('start', { shards: 2, smtp: { connections: CONNECTIONS / ACCOUNTS } });
  await bare.ask('start', { host: sink.host, port: sink.port, connections: CONNECTIONS, raw: MESSAGE });
  const count = short ? MESSAGES / 4 : MESSAGES;
  const asked = { driver: 'smtp', requests: messages(sink, ACCOUNTS), lanes: LANES, count };
  const source = async () => {
    const { ms, cpuMs }: Spent = await runChild(smtpSource(sink, CONNECTIONS, count, MESSAGE.length));
    return { count, ms, cpuUs: cpuMs * 1000 };
  };
  const rounds = await interleave(short ? 2 : ROUNDS, {
    keylane: () => keylane.ask('run', asked),
    bare: () => bare.ask('run', { lanes: LANES, count }),
    source,
  });
  await Promise.all([keylane.end(), bare.end()]);
  await sink.stop();

  const of = (name: keyof typeof rounds) => ({
    messagesPerSecond: Math.round(median(rounds[name].map(perSecond))),
    cpuUsPerMessage: round(median(rounds[name].map(cpuEach))),
  });
  const times = (peer: keyof typeof rounds) =>
    round(median(rounds.keylane.map((work, i) => perSecond(work) / perSecond(rounds[peer][i]!))));
  const cpu = round(median(rounds.keylane.map((work, i) => cpuEach(work) / cpuEach(rounds.bare[i]!))));
  return {
    figures: of('keylane'),
    peers: { "nodemailer's pool": of('bare'), 'smtp-source (C)': of('source') },
    ratios: {
      "messages/s ÷ nodemailer's pool": times('bare'),
      'CPU ÷ nodemailer': cpu,
      'messages/s ÷ smtp-source': times('source'),
    },
    targets: [
      { what: "messages/s ÷ nodemailer's pool", value: times('bare'), atLeast: 1.25 },
      { what: "CPU a message ÷ nodemailer's pool", value: cpu, atMost: 1.1 },
      { what: 'messages/s ÷ smtp-source', value: times('source'), atLeast: 0.5 },
    ],
    notes: [
      "smtp-source keeps its sessions; keylane and nodemailer's pool begin a new one after 100 messages, as they come",
    ],
  };
}
