import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BatchFolder, echoes, indexes, linesOf, upTo } from './batch-cli.ts';

test('runs the requests of a file, and keeps them: --out, list, show, export, rm', async () => {
  const folder = new BatchFolder();
  const file = folder.jobs(echoes(20, (index) => (index === 7 ? { fault: 'failed' } : {})));
  const ran = await folder.run('run', file, '--driver', 'echo', '--id', 'first', '--out', folder.path('out'));
  expect(ran.out).toBe('');
  expect(ran.err).toContain('keylane batch run: batch first, 20 requests\n');
  expect(ran.err).toMatch(/20 requests in .*: 19 ok, 1 failed/);
  expect(ran.err).toContain(`keylane batch retry first --failed --data-dir ${folder.data}`);
  expect(ran.status).toBe(1);
  const lines = folder.lines('out');
  expect(indexes(lines).sort((a, b) => a - b)).toEqual(upTo(20));
  expect(lines.find(({ index }) => index === 3)).toMatchObject({ id: 'job-3', key: 'host-3', outcome: 'ok' });
  expect(statSync(folder.path('out')).mode & 0o777).toBe(0o600);
  for (const name of ['', ...readdirSync(join(folder.data, 'batches', 'first'))])
    expect(statSync(join(folder.data, 'batches', 'first', name)).mode & 0o077).toBe(0);

  const listed = await folder.look('list');
  expect(listed.out).toMatch(/^id +state .*\nfirst +done +20 +20 +19 +1 /);
  expect(JSON.parse((await folder.look('list', '--json')).out)).toMatchObject([
    { id: 'first', state: 'done', total: 20, counts: { ok: 19, failed: 1 } },
  ]);
  const shown = await folder.look('show', 'first');
  expect(shown.out).toContain('batch first: done\n');
  expect(shown.out).toContain('20 of 20 settled\n');
  expect(shown.out).toMatch(/failed:\n {2}.*host-7/);

  const exported = await folder.look('export', 'first', '--ordered');
  expect(indexes(linesOf(exported.out))).toEqual(upTo(20));
  expect((await folder.look('export', 'first')).out).toBe(readFileSync(folder.path('out'), 'utf8'));
  const csv = (await folder.look('export', 'first', '--format', 'csv', '--ordered')).out.trim().split('\n');
  expect(csv).toHaveLength(21);
  await folder.look('export', 'first', '--format', 'junit', '--out', folder.path('junit.xml'));
  expect(readFileSync(folder.path('junit.xml'), 'utf8')).toMatch(/<testsuites?[^>]*tests="20"[^>]*failures="1"/);

  expect(await folder.look('rm', 'first')).toMatchObject({ status: 0, out: 'removed first\n' });
  expect(await folder.look('list')).toMatchObject({ status: 0, out: 'no batches\n' });
}, 60_000);

test('--ordered writes in the order of the input, to stdout too', async () => {
  const folder = new BatchFolder();
  const file = folder.jobs(echoes(30, (index) => ({ delayMs: index % 3 === 0 ? 60 : 0 })));
  const ran = await folder.run('run', file, '--driver', 'echo', '--ordered', '-q');
  expect(ran).toMatchObject({ status: 0, err: '' });
  expect(indexes(linesOf(ran.out))).toEqual(upTo(30));
});

test('reads stdin, keeps a copy of it, and cleans up after a batch without a journal', async () => {
  const folder = new BatchFolder();
  const text = readFileSync(folder.jobs(echoes(5)), 'utf8');
  const kept = await folder.start('run', '--driver', 'echo', '--id', 'piped', '-').end(text);
  expect(kept).toMatchObject({ status: 0 });
  expect(indexes(linesOf(kept.out)).sort()).toEqual(upTo(5));
  expect(readdirSync(join(folder.data, 'batches', 'piped'))).toContain('input.ndjson');
  const none = await folder.start('run', '--driver', 'echo', '--no-journal').end(text);
  expect(none).toMatchObject({ status: 0 });
  expect(none.err).toMatch(/^5 requests in .*: 5 ok\n/);
  expect(readdirSync(join(folder.data, 'batches'))).toEqual(['piped']);
});

test('an id that exists is refused, and its input is left alone', async () => {
  const folder = new BatchFolder();
  const text = readFileSync(folder.jobs(echoes(3)), 'utf8');
  expect(await folder.start('run', '--driver', 'echo', '--id', 'same').end(text)).toMatchObject({ status: 0 });
  const again = await folder.start('run', '--driver', 'echo', '--id', 'same').end('{"request":{"key":"other"}}\n');
  expect(again).toMatchObject({ status: 2, out: '' });
  expect(again.err).toContain('keylane batch resume same');
  expect(readFileSync(join(folder.data, 'batches', 'same', 'input.ndjson'), 'utf8')).toBe(text);
});

test('a file that is not the batch’s is refused by name, and left as it is', async () => {
  const folder = new BatchFolder();
  writeFileSync(folder.path('notes'), 'mine\n');
  const ran = await folder.run('run', folder.jobs(echoes(2)), '--driver', 'echo', '--out', folder.path('notes'));
  expect(ran).toMatchObject({ status: 2, out: '' });
  expect(ran.err).toContain(`--out ${folder.path('notes')}: it has lines that are not this batch's`);
  expect(readFileSync(folder.path('notes'), 'utf8')).toBe('mine\n');
  expect(await folder.look('list')).toMatchObject({ out: 'no batches\n' });
});

test('bad input is named by its line and nothing starts; --skip-bad writes it aside and goes on', async () => {
  const folder = new BatchFolder();
  const file = folder.path('bad.ndjson');
  const good = (key: string) => JSON.stringify({ id: key, request: { key } });
  writeFileSync(
    file,
    [good('a'), '{"request":', good('b'), '{"requst":{"key":"c"}}', good('a'), good('d'), ''].join('\n'),
  );
  const refused = await folder.run('run', file, '--driver', 'echo');
  expect(refused).toMatchObject({ status: 2, out: '' });
  for (const line of [2, 4, 5]) expect(refused.err).toContain(`${file}:${line}: `);
  expect(await folder.look('list')).toMatchObject({ out: 'no batches\n' });

  const aside = folder.path('aside.ndjson');
  const ran = await folder.run('run', file, '--driver', 'echo', '--skip-bad', aside);
  expect(ran.status).toBe(0);
  expect(ran.err).toContain(`3 bad lines put aside in ${aside}`);
  expect(
    linesOf(ran.out)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(['a', 'b', 'd']);
  expect(readFileSync(aside, 'utf8').split('\n').slice(0, 3)).toEqual([
    '{"request":',
    '{"requst":{"key":"c"}}',
    good('a'),
  ]);
});

test('a missing column of the template is named, and a template without ssh refused', async () => {
  const folder = new BatchFolder();
  const file = folder.path('hosts.csv');
  writeFileSync(file, 'host,service\nweb-1,nginx\n');
  const missing = await folder.run('run', file, '--template', 'systemctl restart {servce}');
  expect(missing).toMatchObject({ status: 2, out: '' });
  expect(missing.err).toContain('servce');
  const echo = await folder.run('run', file, '--template', 'x', '--driver', 'echo');
  expect(echo).toMatchObject({ status: 2, out: '' });
});

test('text is what each printed, under its name', async () => {
  const folder = new BatchFolder();
  const ran = await folder.run(
    'run',
    folder.jobs(echoes(2)),
    '--driver',
    'echo',
    '--format',
    'text',
    '--ordered',
    '-q',
  );
  expect(ran.out).toBe('host-0: {"payload":0}\nhost-1: {"payload":1}\n');
});
