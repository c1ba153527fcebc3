import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '../../util/clock.js';
import type { Question } from './evaluate.js';
import { mistake } from './mistakes.js';

/**
 * Runs the command of a `Match exec` by the user's shell, without input and output but errors, as ssh does: did it exit
 * with 0? A command that takes too long is killed with all that it has started.
 *
 * @throws KeylaneError `ERR_CONFIG` where there is no exit status
 */
export function runExec({ command, place }: Question, clock: Clock, deadlineMs: number): Promise<boolean> {
  const shell = process.env.SHELL || '/bin/sh';
  return new Promise((resolve, reject) => {
    let child: ChildProcess;
    try {
      // A group of its own, so that a kill reaches what the shell has started.
      child = spawn(shell, ['-c', command], { stdio: ['ignore', 'ignore', 'inherit'], detached: true });
    } catch (error) {
      reject(mistake(place, 'Match exec', `${shell} cannot be run: ${String(error)}`));
      return;
    }
    let isLate = false;
    const timer = clock.timer(deadlineMs, () => {
      isLate = true;
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    });
    child.once('error', (error) => {
      timer.cancel();
      reject(mistake(place, 'Match exec', `${shell} cannot be run: ${error.message}`));
    });
    child.once('exit', (code, signal) => {
      timer.cancel();
      if (code !== null && !isLate) resolve(code === 0);
      else reject(mistake(place, 'Match exec', isLate ? `no end after ${deadlineMs} ms` : `ended by ${signal}`));
    });
  });
}
