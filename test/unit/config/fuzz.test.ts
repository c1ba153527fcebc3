import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadFleet } from '../../../src/config/fleet.js';
import { loadConfig } from '../../../src/config/load.js';
import { KeylaneError } from '../../../src/errors.js';
import { texts } from '../../support/corpora.js';
import { mutated } from '../../support/mutate.js';
import { seeded, seedsOf } from '../../support/seed.js';

const CASES = process.env.KEYLANE_LONG ? 50_000 : 400;
/** An input of 64 KiB at most; hosts that patterns stand for come on top, up to a million. */
const LONGEST_MS = 4_000;

const CORPUS = texts(
  'shards: 2\nlimits:\n  idleMs: 5\n  breaker: { failures: 2, openMs: 5 }\n  groups: { a: 1, b: 2 }\n',
  'ssh:\n  user: deploy\n  identity: [~/.ssh/a, keys/b]\n  password: env:PW\n  jump: [{ host: bastion, user: x }, "a@b:22"]\n',
  'groups:\n  web: &web { hosts: "web-[1-9]", labels: [x], ssh: { port: 22 } }\n  db:\n    <<: *web\n    hosts: ["db-1", "@web"]\n    limit: 1\n',
  'inventories:\n  - file: hosts\n    format: list\n  - command: [az, vm, list]\n    map: { host: publicIps }\n    ttlMs: 5\n',
  '# nothing\n---\ncache: { bytesPerShard: 1048576, ttlMs: { ssh: 5 } }\n...\n',
);

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-config-fuzz-'));
  writeFileSync(join(dir, 'hosts'), 'a\nb\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

test.each(seedsOf('config-fuzz'))(
  'whatever a file holds, it is read or refused by its name (seed %i)',
  async (seed) => {
    const random = seeded(seed);
    const file = join(dir, 'keylane.yaml');
    let read = 0;
    for (let i = 0; i < CASES; i++) {
      // Ranges of hosts are bounded, and take their time; they have a test of their own.
      const text = mutated(random, CORPUS)
        .toString('latin1')
        .replace(/\d{4,}/g, '99');
      writeFileSync(file, text, 'latin1');
      const since = process.cpuUsage();
      const problem = await loadConfig({ cwd: dir, env: { HOME: dir } })
        .then((config) => loadFleet(config))
        .then(
          () => undefined,
          (error: unknown) => error,
        );
      const { user, system } = process.cpuUsage(since);
      expect((user + system) / 1_000, JSON.stringify(text)).toBeLessThan(LONGEST_MS);
      if (problem === undefined) read++;
      else if (!(problem instanceof KeylaneError) || !problem.code.startsWith('ERR_CONFIG')) throw problem;
      else expect(problem.message, JSON.stringify(text)).not.toBe('');
    }
    // Damaged lightly, a part of them is still fine: else it would not be the configuration that is tried.
    expect(read).toBeGreaterThan(CASES / 100);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  },
  30_000 + CASES * 50,
);
