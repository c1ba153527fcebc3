import { type Clock, createEngine, type Engine, type EngineOptions, systemClock } from '../index.js';
import { configured } from './configured.js';
import type { CopyFlags } from './copy-flags.js';
import { type Copy, copiesOf } from './copy-paths.js';
import { Relay } from './copy-relay.js';
import { ExecRun } from './exec-run.js';
import { readHosts } from './fleet.js';
import type { Io } from './io.js';
import type { HostResult, Item } from './item.js';
import type { Output } from './output.js';
import type { Screen } from './screen.js';
import { startEngine } from './start-engine.js';

export interface CopyDeps {
  createEngine(options: EngineOptions): Promise<Engine>;
  clock: Clock;
}

/** `keylane copy`: files to hosts, from hosts, and from one host to others. Resolves with the exit status. */
export async function copy(
  paths: readonly string[],
  flags: CopyFlags,
  io: Io,
  deps: CopyDeps = { createEngine, clock: systemClock },
): Promise<number> {
  const { concurrency } = flags;
  const maxInFlight = concurrency === 'auto' ? 4_096 : Math.max(concurrency, 4_096);
  const conf = await configured(flags, io, { defaults: { maxInFlight } });
  const known = await readHosts(conf, flags, io);
  const copies = await copiesOf(paths, flags, known);
  const run = new ExecRun(
    copies.map(({ item }) => item),
    { ...flags, prefix: true },
    io,
    deps.clock,
    { name: 'copy', text: (screen) => new Refusals(screen) },
  );
  const startedAt = deps.clock.now();
  const engine = await startEngine(deps.createEngine, conf.options);
  try {
    const from = copies[0]?.from;
    const way = from ? new Relay(engine, from) : engine;
    await run.settleAll(way, ({ index }) => copies[index] as Copy);
  } finally {
    if (run.cut.aborted) await engine.destroy('keylane copy was cut');
    else await engine.close();
  }
  return run.end(deps.clock.now() - startedAt);
}

/** What hosts said where they refused; a copy that was made says nothing. */
class Refusals implements Output {
  readonly live = false;
  readonly #screen: Screen;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  chunk(): void {}

  result({ id }: Item, { response }: HostResult): void {
    if (response && response.code !== 0) this.#screen.write('err', `${id}: ${String(response.stderr).trim()}\n`);
  }

  end(): void {}
}
