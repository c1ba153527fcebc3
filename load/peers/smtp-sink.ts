import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../free-port.js';
import { Missing } from '../scenario.js';

const SINK = '/usr/sbin/smtp-sink';
const SOURCE = '/usr/sbin/smtp-source';

export interface SmtpSink {
  host: string;
  port: number;
  pid: number;
  stop(): Promise<void>;
}

/** Postfix's server that takes every message and throws it away, on a free port of 127.0.0.1. */
export async function startSmtpSink(options: readonly string[] = []): Promise<SmtpSink> {
  if (!existsSync(SINK)) throw new Missing('smtp-sink is missing: apt-get install postfix');
  const port = await freePort();
  const host = '127.0.0.1';
  // As root it wants to be somebody else; by its own `-u` it would forget that it ends with this process.
  const user = process.getuid?.() === 0 ? ['--reuid', 'nobody', '--regid', 'nogroup', '--clear-groups'] : [];
  const argv = [...user, '--pdeathsig', 'KILL', SINK, '-m', '20000', ...options, `${host}:${port}`, '1000'];
  const child = spawn('setpriv', argv, { stdio: ['ignore', 'ignore', 'inherit'] });
  for (let i = 0; !(await listens(host, port)); i++) {
    if (i === 100 || child.exitCode !== null) throw new Error('smtp-sink does not listen');
    await wait(50);
  }
  return { host, port, pid: child.pid as number, stop: () => ended(child) };
}

/** The command that sends `count` messages of 2 kB over kept sessions, in C. */
export function smtpSource({ host, port }: SmtpSink, sessions: number, count: number, bytes: number): string[] {
  const argv = ['-d', '-s', String(sessions), '-m', String(count), '-l', String(bytes), '-f', 'a@example.test'];
  return [SOURCE, ...argv, '-t', 'b@example.test', `${host}:${port}`];
}

function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('data', () => socket.end('QUIT\r\n'));
    socket.once('close', (hadError) => resolve(!hadError));
    socket.once('error', () => {});
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
