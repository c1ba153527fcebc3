import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { type Clock, createEngine, type EngineOptions, KeylaneError, systemClock } from '../index.js';
import { type ExecEngine, ExecRun } from './exec-run.js';
import { type ExecFlags, isLive } from './flags.js';
import { readItems, readStdin } from './inputs.js';
import { type Io, UsageError } from './io.js';
import { requestOf } from './request.js';

export interface ExecDeps {
  createEngine(options: EngineOptions): Promise<ExecEngine>;
  clock: Clock;
}

/** `keylane exec`: one command on every host. Resolves with the exit status. */
export async function exec(
  hosts: readonly string[],
  words: readonly string[] | undefined,
  flags: ExecFlags,
  io: Io,
  deps: ExecDeps = { createEngine, clock: systemClock },
): Promise<number> {
  if (words === undefined || words.length === 0) {
    throw new UsageError('no command: write it after --, as in keylane exec web-1 -- uptime');
  }
  checkReadable('-i', flags.identity);
  const stdin = await readStdin(hosts, flags, io.stdin);
  const items = await readItems(hosts, flags, io.stdin);
  const run = new ExecRun(items, flags, io, deps.clock);
  const startedAt = deps.clock.now();
  const engine = await startEngine(flags, deps);
  try {
    await run.settleAll(engine, (item) => requestOf(item.address!, words, flags, stdin));
  } finally {
    if (run.cut.aborted) await engine.destroy('keylane exec was cut');
    else await engine.close();
  }
  return run.end(deps.clock.now() - startedAt);
}

/** A file that every host needs is looked at once, before any of them is. */
function checkReadable(flag: string, file: string | undefined): void {
  if (file === undefined) return;
  try {
    accessSync(file, constants.R_OK);
  } catch (error) {
    throw new UsageError(`${flag} ${file}: ${(error as Error).message}`);
  }
}

async function startEngine(flags: ExecFlags, deps: ExecDeps): Promise<ExecEngine> {
  const { shards, concurrency, connectTimeout } = flags;
  const options: EngineOptions = {
    ...(shards === undefined ? {} : { shards }),
    maxInFlight: Math.max(concurrency, 4_096),
    ...(connectTimeout === undefined ? {} : { limits: { connectTimeoutMs: connectTimeout } }),
    ssh: sshOptions(flags),
  };
  try {
    return await deps.createEngine(options);
  } catch (error) {
    if (error instanceof KeylaneError && error.code === 'ERR_CONFIG') throw new UsageError(error.message);
    throw error;
  }
}

function sshOptions(flags: ExecFlags): NonNullable<EngineOptions['ssh']> {
  const { user, port, identity, passphrase, password, knownHosts, hostKeys, maxOutput, connectTimeout } = flags;
  return {
    hostKeys,
    // What is printed as it comes need not come a second time, with the response.
    ...(isLive(flags) ? { maxOutputBytes: 0 } : maxOutput === undefined ? {} : { maxOutputBytes: maxOutput }),
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port }),
    ...(identity === undefined ? {} : { identity: resolve(identity) }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(password === undefined ? {} : { password }),
    ...(knownHosts === undefined ? {} : { knownHosts: resolve(knownHosts) }),
    ...(connectTimeout === undefined ? {} : { connectTimeoutMs: connectTimeout }),
  };
}
