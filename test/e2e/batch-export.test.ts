import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, openBatches } from 'keylane';
import { afterEach, expect, test } from 'vitest';
import { run } from './exec-cli.ts';
import { Desk, Servers } from './recipes.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A batch of ten that was left after the third result. */
async function leftAlone(): Promise<string> {
  const dataDir = mkdtempSync(join(tmpdir(), 'keylane-export-'));
  cleanups.push(() => rmSync(dataDir, { recursive: true }));
  const engine = await createEngine({ shards: 1, dataDir });
  try {
    const requests = Array.from({ length: 10 }, (_, at) => ({ key: `host-${at}` }));
    let seen = 0;
    for await (const _ of engine.batch('echo', requests, { journal: true, id: 'left', concurrency: 1 }))
      if (++seen === 3) break;
  } finally {
    await engine.close();
  }
  return dataDir;
}

test('Of a batch that can go on what has a result is exported, and told that the rest is not', async () => {
  const dataDir = await leftAlone();
  const { settled } = await openBatches({ dataDir }).show('left');
  expect(settled).toBeLessThan(10);
  for (const format of ['ndjson', 'csv', 'junit']) {
    const { status, out, err } = await run(['batch', 'export', 'left', '--data-dir', dataDir, '--format', format]);
    expect(status).toBe(0);
    expect(err).toBe(
      `keylane batch export: left has not ended (interrupted): ${10 - settled} requests of 10 not here\n`,
    );
    expect(out.match(/host-\d/g)?.length).toBeGreaterThanOrEqual(settled);
    expect(out).not.toContain('host-9');
  }
});

test('Of a batch that was canceled each request is exported, once', async () => {
  const dataDir = await leftAlone();
  const batches = openBatches({ dataDir });
  await batches.cancel('left');
  const { counts } = await batches.show('left');
  expect(counts.ok + counts.not_started + counts.unknown + counts.canceled).toBe(10);
  const exported = (format: string) =>
    run(['batch', 'export', 'left', '--data-dir', dataDir, '--ordered', '--format', format]);
  const rows = (await exported('csv')).out.split('\r\n').slice(1, -1);
  expect(rows.map((row) => row.split(',')[0])).toEqual(Array.from({ length: 10 }, (_, at) => String(at)));
  expect(rows.filter((row) => row.includes(',not_started,'))).toHaveLength(counts.not_started);
  const { out, err } = await exported('junit');
  expect(err).toBe('');
  expect(out).toContain(
    `tests="10" failures="0" errors="${counts.unknown + counts.canceled}" skipped="${counts.not_started}"`,
  );
});

test('An export is JUnit that an XML parser reads, whatever hosts print', async () => {
  const servers = await Servers.start(['web-001'], 204);
  cleanups.push(() => servers.stop());
  const desk = new Desk(servers.sshConfig);
  cleanups.push(() => desk.clear());
  desk.write({
    'jobs.ndjson': ['printf "\\033[1m<&>\\000\\377"', 'exit 3', 'kill -9 $$']
      .map((command, at) => `${JSON.stringify({ id: `job-${at}`, request: { host: 'web-001', command } })}\n`)
      .join(''),
  });
  const ran = await desk.run('keylane batch run jobs.ndjson --id ci > /dev/null || test $? = 1');
  expect(ran).toMatchObject({ status: 0 });
  const read = await desk.run(`
    keylane batch export ci --ordered --format junit --out report.xml
    xmllint --xpath 'concat(/testsuites/testsuite/@tests, " ", //testsuite/@failures, " ", //testcase[1]/system-out)' report.xml`);
  expect(read).toEqual({ status: 0, out: '3 2 ␛[1m<&>␀\ufffd\n', err: '' });
});
