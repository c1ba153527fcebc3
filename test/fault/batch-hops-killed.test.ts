import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Life, recordedOf } from '../support/batch-lives.js';
import { until } from '../support/engine.js';
import { portOf } from '../support/ports.js';
import { ScriptedServer, SILENCE } from '../support/smtp-script.js';

/** A process is killed while web servers have led its requests on, and while mail servers have its messages. */
const dir = mkdtempSync(join(tmpdir(), 'keylane-hops-'));
/** Those that were led on, in the order in which they came. */
const came: string[] = [];
let answer: (path: string, answer: ServerResponse) => void;
let first: Server;
let second: Server;
let mails: ScriptedServer;

beforeAll(async () => {
  second = await serve(({ url = '', method }, reply) => {
    came.push(`${method} ${url}`);
    answer(url, reply);
  });
  first = await serve(({ url }, reply) =>
    reply.writeHead(307, { location: `http://127.0.0.1:${portOf(second)}${url}` }).end(),
  );
  mails = await ScriptedServer.start({ end: SILENCE });
});
afterAll(async () => {
  for (const server of [first, second]) server.closeAllConnections();
  await Promise.all([first, second].map((server) => new Promise((resolve) => server.close(resolve))));
  await mails.stop();
  rmSync(dir, { recursive: true });
});

async function serve(listener: (asked: IncomingMessage, answer: ServerResponse) => void): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const get = (path: string, method = 'GET') => ({ url: `http://127.0.0.1:${portOf(first)}${path}`, method });
const mail = (to: string) => ({
  ...{ host: '127.0.0.1', port: mails.port, tls: 'none', clientName: to },
  ...{ from: 'a@keylane.test', to: `${to}@keylane.test`, text: 'hello' },
});

test('who was in the middle of a redirect, or of a mail, is asked again where that does no harm, and else unknown', async () => {
  const all = [
    { id: 'no head', driver: 'http', request: get('/none') },
    { id: 'half a body', driver: 'http', request: get('/half') },
    { id: 'once only', driver: 'http', request: get('/once'), idempotent: false },
    { id: 'a change', driver: 'http', request: get('/change', 'POST') },
    { id: 'mail', driver: 'smtp', request: mail('again'), idempotent: true },
    { id: 'mail once', driver: 'smtp', request: mail('once') },
  ];
  const jobs = join(dir, 'jobs.ndjson');
  writeFileSync(jobs, all.map((job) => `${JSON.stringify(job)}\n`).join(''));
  const life = (resume: boolean) =>
    new Life({
      ...{ dataDir: dir, id: 'b', jobs, resume, concurrency: all.length, gate: all.length },
      engine: { http: { connections: all.length } },
    });
  answer = (path, reply) => void (path === '/half' && reply.writeHead(200, { 'content-length': 10 }).write('hello'));
  const killed = life(false);
  await until(() => came.length === 4 && mails.messages.length === 2);
  killed.kill();
  expect(await killed.end).toBe('SIGKILL');
  expect(killed.acknowledged).toEqual([]);

  answer = (_, reply) => void reply.end('whole');
  mails.script = {};
  const next = life(true);
  expect(await next.end, next.err).toBe(0);
  const recorded = await recordedOf(dir, 'b');
  expect(Object.fromEntries(recorded.map(({ id, outcome }) => [id, outcome]))).toEqual({
    ...{ 'no head': 'ok', 'half a body': 'ok', 'once only': 'unknown', 'a change': 'unknown' },
    ...{ mail: 'ok', 'mail once': 'unknown' },
  });
  for (const { id, response } of recorded) if (id.match(/head|half/)) expect(response).toMatchObject({ body: 'whole' });
  expect(came.toSorted()).toEqual(['GET /half', 'GET /half', 'GET /none', 'GET /none', 'GET /once', 'POST /change']);
  // Whoever gets both sees that they are one.
  const ids = mails.messages.map((text) => [/^To: (\w+)/m.exec(text)?.[1], /^Message-ID: (.*)$/im.exec(text)?.[1]]);
  const again = ids.filter(([to]) => to === 'again');
  expect(ids).toHaveLength(3);
  expect(again).toHaveLength(2);
  expect(again[0]).toEqual(again[1]);
  expect(again[0]?.[1]).toMatch(/^<[0-9a-f]{32}@keylane\.test>/);
});
