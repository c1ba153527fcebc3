import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { ServerChannel, Session } from 'ssh2';

/** Undefined where the client has gone meanwhile. ssh2's own type does not say so. */
export type Accept = () => ServerChannel | undefined;

/** Lets /bin/sh run the command as sshd would: both streams, stdin, exit status, signals either way. */
export function runInShell(session: Session, accept: Accept, command: string, address: string): void {
  const channel = accept();
  if (channel === undefined) return;
  // A process group of its own: a signal reaches what the shell started, too.
  const child = spawn('/bin/sh', ['-c', command], {
    detached: true,
    cwd: '/',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, LANG: process.env.LANG, SSH_HOST: address },
  });
  const signal = (name: NodeJS.Signals) => {
    if (child.pid !== undefined && running.has(child.pid)) killGroup(child.pid, name);
  };
  if (child.pid !== undefined) running.add(child.pid);
  session.on('signal', (_accept, _reject, { name }) => {
    const full = `SIG${name}`;
    if (isSignal(full)) signal(full);
  });
  // What the channel carries ends by the command, not by one of its two streams.
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  // A command that does not read its stdin breaks the pipe; that is its right.
  child.stdin.on('error', () => {});
  channel.pipe(child.stdin);
  channel.on('error', () => {});
  channel.once('close', () => signal('SIGKILL'));
  child.once('error', () => channel.close());
  child.once('close', (code, by) => {
    if (child.pid !== undefined) running.delete(child.pid);
    if (by === null) channel.exit(code ?? 255);
    else channel.exit(by.slice('SIG'.length), false, '');
    channel.end();
  });
}

/** Process groups whose commands have not ended. */
const running = new Set<number>();

process.once('exit', () => {
  for (const pid of running) killGroup(pid, 'SIGKILL');
});

function killGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // Gone meanwhile.
  }
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}
