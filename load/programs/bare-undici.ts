// The measured program with undici's pools and nothing else: all in one thread.
import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import { runAll, type Work } from '../measure.js';
import { serveProgram } from '../program.js';

export type BareUndici = typeof steps;

let pools: Pool[];
const held: Readable[] = [];
let bytesHeard = 0;
let chunksHeard = 0;

const steps = {
  start({ origins, connections }: { origins: readonly string[]; connections: number }): void {
    pools = origins.map((origin) => new Pool(origin, { connections, headersTimeout: 0, bodyTimeout: 0 }));
  },

  run: ({ lanes, count }: { lanes: number; count: number }): Promise<Work> =>
    runAll(lanes, count, async (lane) => {
      const { statusCode, body } = await pools[lane % pools.length]!.request({ path: '/', method: 'GET' });
      await body.text();
      if (statusCode !== 200) throw new Error(`answered with ${statusCode}`);
    }),

  /** Opens streams, and reads them until `release`. Resolves when each has said something. */
  async hold({ path, count }: { path: string; count: number }): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const { body } = await pools[i % pools.length]!.request({ path, method: 'GET' });
        held.push(body);
        return new Promise<void>((resolve, reject) => {
          body.on('data', (bytes: Buffer) => {
            bytesHeard += bytes.length;
            chunksHeard++;
            resolve();
          });
          body.on('error', reject);
        });
      }),
    );
  },

  heard: (_: undefined): { bytes: number; chunks: number } => ({ bytes: bytesHeard, chunks: chunksHeard }),

  release(_: undefined): void {
    for (const body of held.splice(0)) body.destroy();
  },

  cpu(_: undefined): number {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
};

serveProgram(steps);
