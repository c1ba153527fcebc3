import { type Clock, createEngine, type EngineOptions, systemClock } from '../index.js';
import { type CommandSays, configured } from './configured.js';
import { type ExecEngine, ExecRun, type RunKind } from './exec-run.js';
import { type ExecFlags, isLive } from './flags.js';
import { readHosts } from './fleet.js';
import { readItems, readStdin } from './inputs.js';
import { type Io, UsageError } from './io.js';
import { requestOf } from './request.js';
import { startEngine } from './start-engine.js';

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
  kind?: RunKind,
): Promise<number> {
  if (words === undefined || words.length === 0) {
    throw new UsageError('no command: write it after --, as in keylane exec web-1 -- uptime');
  }
  const conf = await configured(flags, io, saysOf(flags));
  const known = await readHosts(conf, flags, io);
  const stdin = await readStdin(hosts, flags, io.stdin);
  const items = await readItems(hosts, flags, io.stdin, known);
  const run = new ExecRun(items, flags, io, deps.clock, kind);
  const startedAt = deps.clock.now();
  // Where all is remembered no thread need be started.
  const lazyShards = flags.cache !== undefined;
  const engine = await startEngine(deps.createEngine, { ...conf.options, ...(lazyShards && { lazyShards }) });
  try {
    await run.settleAll(engine, (item) => {
      const { request, labels } = known.of(item.id);
      return { request: requestOf(request, words, flags, stdin), labels };
    });
  } finally {
    if (run.cut.aborted) await engine.destroy('keylane exec was cut');
    else await engine.close();
  }
  return run.end(deps.clock.now() - startedAt);
}

function saysOf(flags: ExecFlags): CommandSays {
  const { concurrency, maxOutput } = flags;
  return {
    defaults: { maxInFlight: concurrency === 'auto' ? 4_096 : Math.max(concurrency, 4_096) },
    flags: {
      // What is printed as it comes need not come a second time, with the response.
      ssh: isLive(flags) ? { maxOutputBytes: 0 } : maxOutput === undefined ? {} : { maxOutputBytes: maxOutput },
    },
  };
}
