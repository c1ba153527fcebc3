import { expect, test } from 'vitest';
import { shardOf } from '../../src/routing.js';
import { freePort } from '../support/ports.js';
import { runProgram } from '../support/programs/run.js';

const LIBRARIES: Readonly<Record<string, string>> = { ssh: 'ssh2', smtp: 'nodemailer', http: 'undici' };
const SHARDS = 4;

interface Said {
  ran: Record<string, { shard: number; outcome: string; code?: string }>;
  main: string[];
  /** Packages, by shard. */
  shards: string[][];
}

test('the main thread loads no protocol library, and a shard those of the drivers that it was asked for', async () => {
  const port = await freePort(['127.0.0.1']);
  const keys = Array.from({ length: 64 }, (_, i) => `key-${i}`);
  const keyOfShard = Array.from({ length: SHARDS }, (_, shard) => keys.find((key) => shardOf(key, SHARDS) === shard));
  const { stdout } = await runProgram('libraries', [String(port), JSON.stringify(keyOfShard)]);
  const { ran, main, shards } = JSON.parse(stdout) as Said;

  for (const driver of Object.keys(LIBRARIES)) {
    expect(ran[driver]).toMatchObject({ outcome: 'not_started', code: 'ERR_CONNECT' });
  }
  expect([ran.echo?.outcome, ran.stdio?.outcome]).toEqual(['ok', 'ok']);
  const libraries = new Set(Object.values(LIBRARIES));
  const among = (packages: string[]) => packages.filter((name) => libraries.has(name));
  // That looking finds anything at all: every engine needs this one.
  expect(main).toContain('msgpackr');
  expect(among(main)).toEqual([]);
  const asked = shards.map((_, shard) =>
    Object.entries(LIBRARIES).flatMap(([driver, library]) => (ran[driver]?.shard === shard ? [library] : [])),
  );
  expect(shards.map(among)).toEqual(asked.map((names) => names.sort()));
});
