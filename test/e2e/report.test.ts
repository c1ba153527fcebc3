import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { Cli } from './exec-cli.ts';

let sshd: Sshd;
let dir: string;

beforeAll(async () => {
  sshd = await startSshd({ addresses: ['127.9.2.1', '127.9.2.2'] });
  dir = mkdtempSync(join(tmpdir(), 'keylane-report-'));
});
afterAll(async () => {
  await sshd?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const keylane = (...args: string[]) => new Cli(args).end();

test('keylane report tells of all runs with a cache on disk how often it was answered from, and how long that took', async () => {
  const { user, port, identity, knownHosts } = sshd;
  const login = ['-F', 'none', '-l', user, '-p', String(port), '-i', identity, '--known-hosts', knownHosts];
  const data = ['--data-dir', join(dir, 'data')];
  const exec = (...more: string[]) => keylane('exec', '-q', ...login, ...data, ...more, '127.9.2.[1-2]', '--', 'true');
  expect(await keylane('report', ...data)).toMatchObject({ status: 0, out: 'nothing was counted yet\n' });
  // Without a cache nothing is counted, nor made.
  expect((await exec()).status).toBe(0);
  expect(await keylane('report', ...data)).toMatchObject({ status: 0, out: 'nothing was counted yet\n' });

  for (let run = 0; run < 3; run++) expect((await exec('--cache', '5m')).status).toBe(0);
  const json = await keylane('report', '--format', 'json', ...data);
  const [ssh, ...more] = JSON.parse(json.out) as Record<string, number>[];
  expect(more).toEqual([]);
  expect(ssh).toMatchObject({ operation: 'ssh', count: 6, hits: 4, misses: 2, stale: 0 });
  expect(ssh!.hitRatio).toBeCloseTo(2 / 3);
  expect(ssh!.p99Ms).toBeGreaterThan(ssh!.p50Ms!);
  const text = await keylane('report', ...data);
  expect(text.out).toMatch(/^operation +answers +hits .* p99\nssh +6 +4 +0 +2 +66\.7 % +[\d.]+ ms/);
});

test('keylane report tells of one that is damaged, and what to do', async () => {
  mkdirSync(join(dir, 'damaged', 'report'), { recursive: true });
  writeFileSync(join(dir, 'damaged', 'report', 'data.mdb'), 'no store at all, and longer than a page'.repeat(1_000));
  const { status, err } = await keylane('report', '--data-dir', join(dir, 'damaged'));
  expect([status, err]).toEqual([3, expect.stringContaining('ERR_STORE_CORRUPT')]);
  const unknown = await keylane('report', '--format', 'yaml');
  expect([unknown.status, unknown.err]).toEqual([2, expect.stringContaining('--format')]);
});
