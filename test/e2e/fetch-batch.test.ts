import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchFolder, type ResultLine } from './batch-cli.ts';

const peer = createServer(async (asked, answer) => {
  let body = '';
  for await (const piece of asked) body += piece;
  answer.statusCode = asked.url === '/no' ? 404 : 200;
  answer.end(`${asked.method} ${asked.url} ${asked.headers['x-a'] ?? '-'} ${body}`);
});
let url = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => peer.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(peer.address() as AddressInfo).port}`;
});
afterAll(() => {
  peer.closeAllConnections();
  peer.close();
});

test('a table of URLs is asked, with a column for each field', async () => {
  const folder = new BatchFolder();
  const file = folder.path('urls.csv');
  const quoted = (value: object) => `"${JSON.stringify(value).replaceAll('"', '""')}"`;
  writeFileSync(
    file,
    [
      'id,url,method,headers,body,json,redirects',
      `plain,${url}/a,,,,,`,
      `put,${url}/b?x=1,PUT,${quoted({ 'x-a': '7' })},data,,0`,
      `json,${url}/c,,,,${quoted({ a: [1] })},`,
      `no,${url}/no,,,,,`,
    ].join('\n'),
  );
  const { status, out } = await folder.run('run', file, '--driver', 'http', '--format', 'ndjson');
  expect(status).toBe(1);
  const lines = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as ResultLine);
  const told = Object.fromEntries(lines.map(({ id, outcome, response }) => [id, [outcome, response?.body]]));
  expect(told).toEqual({
    plain: ['ok', 'GET /a - '],
    put: ['ok', 'PUT /b?x=1 7 data'],
    json: ['ok', 'POST /c - {"a":[1]}'],
    no: ['failed', 'GET /no - '],
  });
});

test('a URL that is none is told with its line, before anything is asked', async () => {
  const folder = new BatchFolder();
  writeFileSync(folder.path('bad.csv'), `url\n${url}/a\nftp://files.example/\n`);
  const { status, err } = await folder.run('run', folder.path('bad.csv'), '--driver', 'http');
  expect(status).toBe(2);
  expect(err).toContain('bad.csv:3: request.url: expected https:// or http://, not ftp:');
});
