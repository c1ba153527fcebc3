// The measured program with the HTTP service in it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineOptions } from 'keylane';
import { createService, type Service, type ServiceOptions } from 'keylane/server';
import { collectGarbage } from '../garbage.js';
import { serveProgram } from '../program.js';

export type ServiceProgram = typeof steps;

const GC_DRIVER = new URL('./gc-driver.js', import.meta.url).href;
const TICK_DRIVER = new URL('./tick-driver.js', import.meta.url).href;

let service: Service;

const steps = {
  /** Resolves with where it listens, and the token that may do everything. */
  async start({
    engine,
    ...rest
  }: ServiceOptions & { engine: EngineOptions }): Promise<{ url: string; token: string }> {
    const dataDir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
    process.once('exit', () => rmSync(dataDir, { recursive: true, force: true }));
    const drivers = [GC_DRIVER, TICK_DRIVER];
    service = await createService({ port: 0, ...rest, engine: { dataDir, drivers, ...engine } });
    return { url: service.url, token: service.token };
  },

  /** CPU of the whole process so far, in microseconds. */
  cpu(_: undefined): number {
    const { user, system } = process.cpuUsage();
    return user + system;
  },

  /** Collects the garbage of all threads: `shards` keys are asked, so that each shard has one of them. Node must run with --expose-gc. */
  async collect({ shards }: { shards: number }): Promise<void> {
    const keys = Array.from({ length: 8 * shards }, (_, i) => `gc-${i}`);
    for (const key of keys) await service.engine.run('gc' as 'echo', { key });
    collectGarbage();
  },
};

serveProgram(steps);
