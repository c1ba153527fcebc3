import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { plainEnvironment } from './child.js';
import { treeOf } from './proc.js';

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
const LINES_AT_ONCE = 10_000;
const KEYS = 1_000;

/** Writes a batch's input of so many `echo` requests, about 70 bytes each. */
export function writeEchoJobs(file: string, count: number): void {
  const fd = openSync(file, 'w');
  for (let first = 0; first < count; first += LINES_AT_ONCE) {
    const lines = Array.from({ length: Math.min(LINES_AT_ONCE, count - first) }, (_, i) => lineOf(first + i));
    writeSync(fd, lines.join(''));
  }
  closeSync(fd);
}

function lineOf(index: number): string {
  const request = { key: `host-${index % KEYS}`, payload: 'uptime' };
  return `${JSON.stringify({ id: `job-${index}`, driver: 'echo', request })}\n`;
}

/** `keylane batch …`, with stdout to a file or a pipe; ended with this process. */
export function startBatch(argv: readonly string[], stdout: number | 'pipe'): ChildProcess {
  const args = [...process.execArgv, MAIN, 'batch', ...argv];
  const child = spawn(process.execPath, args, { stdio: ['ignore', stdout, 'inherit'], env: plainEnvironment() });
  process.once('exit', () => killBatch(child));
  return child;
}

/** Kills it at once, and whom it has started. */
export function killBatch({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  for (const one of treeOf(pid)) {
    try {
      process.kill(one, 'SIGKILL');
    } catch {
      // Gone with the one before.
    }
  }
}
