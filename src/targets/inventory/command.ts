import { type ChildProcess, spawn } from 'node:child_process';
import { KeylaneError } from '../../errors.js';
import type { Clock } from '../../util/clock.js';
import { codeOf, MOST_BYTES, tooLong } from './read.js';

/** Of what a command writes to stderr, the end is quoted. */
const MOST_STDERR = 2_000;

/**
 * Runs a program without a shell and resolves with its output. It has a process group of its own, all of which is killed
 * at the deadline or where the output is too long.
 *
 * @throws KeylaneError `ERR_CONFIG`, which names the command and quotes the end of its stderr
 */
export function runCommand(
  command: readonly string[],
  { cwd, timeoutMs, clock }: { cwd: string; timeoutMs: number; clock: Clock },
): Promise<string> {
  const [program = '', ...args] = command;
  const name = nameOf(command);
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let size = 0;
    let stderr = '';
    let failure: KeylaneError | undefined;
    let child: ChildProcess;
    try {
      child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    } catch (cause) {
      reject(failed(name, `cannot be run: ${codeOf(cause)}`, '', cause));
      return;
    }
    const cut = (why: KeylaneError) => {
      failure ??= why;
      killGroup(child);
      // What it has started may hold its outputs open in a group of its own.
      child.stdout?.destroy();
      child.stderr?.destroy();
    };
    const timer = clock.timer(timeoutMs, () => cut(failed(name, `did not end within ${timeoutMs} ms`, stderr)));
    child.stdout?.on('data', (piece: Buffer) => {
      size += piece.length;
      if (size > MOST_BYTES) cut(tooLong(name));
      else pieces.push(piece);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-MOST_STDERR);
    });
    child.once('error', (cause) => {
      timer.cancel();
      reject(failed(name, `cannot be run: ${codeOf(cause)}`, stderr, cause));
    });
    child.once('close', (code, signal) => {
      timer.cancel();
      if (failure !== undefined) reject(failure);
      else if (code !== 0)
        reject(failed(name, code === null ? `was ended by ${signal}` : `exited with ${code}`, stderr));
      else resolve(Buffer.concat(pieces).toString('utf8'));
    });
  });
}

/** As messages call it: the program alone, for an argument may be a secret. */
export function nameOf([program = '']: readonly string[]): string {
  return `command ${program}`;
}

function failed(name: string, what: string, stderr: string, cause?: unknown): KeylaneError {
  const said = stderr.trim().replace(/[^\P{Cc}\n]|[\u2028\u2029]/gu, ' ');
  return new KeylaneError('ERR_CONFIG', `${name} ${what}${said === '' ? '' : `; it said:\n${said}`}`, { cause });
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
