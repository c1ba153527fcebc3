import { chmodSync, existsSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine, type Engine, KeylaneError } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectNoLeaks, held } from '../support/leaks.js';
import { type Direction, type Fault, type FaultProxy, randomCut, startProxy } from '../support/proxy.js';
import { type Random, seeded, seedsOf } from '../support/seed.js';
import { loginTo, sessionsEnded } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

/** 10,000 nightly. */
const CUTS = Number(process.env.CUTS ?? 500);
const AT_ONCE = 24;
/** A cut that nobody tells us of ends by its deadline. Where a busy machine makes it pass early, the outcome must be true all the same. */
const TIMEOUT_MS = 800;

let sshd: Sshd;
let dir: string;
beforeAll(async () => {
  sshd = await startSshd();
  dir = mkdtempSync(join(sshd.dir, 'witness-'));
  chmodSync(dir, 0o777);
});
afterAll(() => sshd.stop());

interface Cut {
  name: string;
  code: number;
  fault: Fault;
}

test.each(seedsOf('cut-mid-run'))(
  'a connection that is cut at any byte never reports ok without an exit status, nor not_started where it ran (S7, seed %i)',
  async (seed) => {
    const random = seeded(seed);
    const length = await lengthOfARun();
    const before = held();
    const cuts = Array.from({ length: CUTS }, (_, i) => cutOf(`${seed}-${i}`, random, length));
    const engine = await newEngine();
    const outcomes: Record<string, number> = { ok: 0, not_started: 0, unknown: 0 };
    const wrong: string[] = [];
    const checks: (Cut & { outcome: string; says: string })[] = [];
    const left = cuts.values();
    const worker = async () => {
      await using proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port } });
      for (const cut of left) {
        const said = await outcomeOf(engine, proxy, cut);
        outcomes[said.outcome] = (outcomes[said.outcome] ?? 0) + 1;
        checks.push({ ...cut, ...said });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    expect((await engine.stats()).shards.map(({ restarts }) => restarts)).toEqual([0, 0]);
    await engine.close();

    // Nothing that it was sent is still to come.
    await sessionsEnded(sshd);
    await expectNoLeaks(before);
    for (const { name, code, fault, outcome, says } of checks) {
      const ran = existsSync(join(dir, name));
      const fits =
        outcome === 'ok' ? ran && says === `${code}` : outcome === 'not_started' ? !ran : outcome === 'unknown';
      if (!fits) wrong.push(`${outcome}, ${ran ? 'ran' : 'did not run'}: ${says} (${JSON.stringify(fault)})`);
    }
    expect(wrong).toEqual([]);
    expect(Object.keys(outcomes)).toEqual(['ok', 'not_started', 'unknown']);
    // Cuts of every kind were there: before the command left, after, and too late to matter.
    for (const times of Object.values(outcomes)) expect(times).toBeGreaterThan(CUTS / 100);
  },
  Math.max(120_000, CUTS * 240),
);

function newEngine(): Promise<Engine> {
  // No longer than its run, so that the end of a connection is cut, too. A silent one is given up soon.
  return createEngine({ shards: 2, limits: { idleMs: 1 }, ssh: { keepaliveMs: 200, connectTimeoutMs: TIMEOUT_MS } });
}

/** Half of them end with 0, as a status that never came would if it were read as a number. */
function cutOf(name: string, random: Random, length: Record<Direction, number>): Cut {
  return { name, code: random.below(2) * random.below(256), fault: { cut: randomCut(random, length) } };
}

/** A lane of its own for each, so that each has a connection of its own. */
function requestOf({ name, code }: Cut, port: number) {
  const lane = { port, hostKeys: 'insecure' as const, knownHosts: join(dir, `none-${name}`) };
  return loginTo(sshd, { ...lane, command: `touch '${join(dir, name)}'; exit ${code}` });
}

async function outcomeOf(engine: Engine, proxy: FaultProxy, cut: Cut): Promise<{ outcome: string; says: string }> {
  proxy.fault = cut.fault;
  try {
    const { code } = await engine.run('ssh', requestOf(cut, proxy.port), { timeoutMs: TIMEOUT_MS });
    return { outcome: 'ok', says: `${code}` };
  } catch (error) {
    if (!(error instanceof KeylaneError)) throw error;
    expect(['ERR_CONNECT', 'ERR_CONNECTION_LOST', 'ERR_PROTOCOL', 'ERR_TIMEOUT']).toContain(error.code);
    return { outcome: error.outcome, says: `${error.code} ${error.message}` };
  } finally {
    await Promise.all(proxy.connections.splice(0).map((connection) => connection.destroy()));
  }
}

/** Bytes of a connection's life, from the first of the handshake to its end, where nothing goes wrong. */
async function lengthOfARun(): Promise<Record<Direction, number>> {
  await using proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port } });
  const engine = await newEngine();
  const request = requestOf({ name: 'whole', code: 0, fault: {} }, proxy.port);
  await engine.run('ssh', request, { timeoutMs: 20_000 });
  await engine.close();
  await sessionsEnded(sshd);
  const [connection] = proxy.connections;
  return { up: connection?.count('up') ?? 0, down: connection?.count('down') ?? 0 };
}
