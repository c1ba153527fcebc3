import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { KeylaneError } from '../errors.js';
import type { Clock } from '../util/clock.js';

/** Gives the value behind `env:NAME`, `file:PATH` or `cmd:COMMAND`. Its errors name the reference, never the value. */
export type ReadSecret = (reference: string) => Promise<string>;

const COMMAND_MS = 30_000;
const MOST_BYTES = 65_536;

/** The one reader of references. Commands are run only where `allowCommands` says so. */
export function secretReader(allowCommands: boolean, clock: Clock): ReadSecret {
  return async (reference) => {
    const colon = reference.indexOf(':');
    const [kind, rest] = [reference.slice(0, colon), reference.slice(colon + 1)];
    switch (kind) {
      case 'env':
        return variable(reference, rest);
      case 'cmd':
        if (!allowCommands) throw refused(reference, 'is run only where the configuration says `allowCommands: true`');
        return withoutEnd(await output(reference, rest, clock));
      default:
        return file(reference, rest);
    }
  };
}

function variable(reference: string, name: string): string {
  const value = process.env[name];
  if (value === undefined) throw refused(reference, `the variable ${name} is not set`);
  return value;
}

async function file(reference: string, path: string): Promise<string> {
  try {
    return withoutEnd(await readFile(path, 'utf8'));
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new KeylaneError('ERR_INPUT', `${reference}: cannot be read: ${why}`, { cause });
  }
}

/** What the command prints, run by the shell. What it writes to stderr is ours too: it may ask or complain there. */
function output(reference: string, command: string, clock: Clock): Promise<string> {
  return new Promise((resolve, reject) => {
    // A group of its own, so that a kill reaches what the shell has started.
    const child = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    const pieces: Buffer[] = [];
    let bytes = 0;
    const kill = (why: string) => {
      reject(refused(reference, why));
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    };
    const timer = clock.timer(COMMAND_MS, () => kill(`the command has not ended after ${COMMAND_MS / 1_000} s`));
    child.stdout.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes > MOST_BYTES) kill('the command prints more than 65,536 bytes');
      else pieces.push(piece);
    });
    child.once('error', ({ message }) => {
      timer.cancel();
      reject(refused(reference, `the shell cannot be run: ${message}`));
    });
    child.once('close', (code, signal) => {
      timer.cancel();
      if (code === 0) resolve(Buffer.concat(pieces).toString());
      else reject(refused(reference, `the command ended with ${signal ?? `status ${code}`}`));
    });
  });
}

function withoutEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}

function refused(reference: string, why: string): KeylaneError {
  return new KeylaneError('ERR_INPUT', `${reference}: ${why}`);
}
