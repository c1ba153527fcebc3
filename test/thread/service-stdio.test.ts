import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HttpStream } from '../support/http-stream.js';
import { TestService } from '../support/service.js';
import { hostile } from '../support/stdio.js';

const SECRET = 'a-token-of-a-tenant';
const token = `sha256:${createHash('sha256').update(SECRET).digest('hex')}`;
const tenant = { authorization: `Bearer ${SECRET}` };

let at: TestService;
beforeAll(async () => {
  at = await TestService.start({
    engine: { stdio: { servers: { notes: hostile(), shared: hostile([], { stateless: true }), other: hostile() } } },
    tokens: [{ name: 'tenant', token, drivers: ['stdio'], hosts: ['notes', 'sh*'] }],
  });
});
afterAll(() => at?.stop());

const stdio = (request: object, more: object = {}) => ({ driver: 'stdio', request, ...more });
const run = async (request: object, more: object = {}, headers: Record<string, string> = {}) => {
  const answer = await at.call('POST', '/v1/run', stdio(request, more), headers);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};

test('a server of the configuration is asked over HTTP, and its answer is a line as any', async () => {
  const { status, body } = await run({ server: 'notes', method: 'echo', params: { a: [1, 'ä'] } });
  expect(status).toBe(200);
  expect(body).toMatchObject({ key: 'notes', outcome: 'ok', response: { result: { a: [1, 'ä'] } } });
  const no = await run({ server: 'notes', method: 'error', params: { code: -5 } });
  expect(no.body).toMatchObject({ outcome: 'failed', response: { error: { code: -5, message: 'as you wished' } } });
});

test('no caller says what is run, whoever it is', async () => {
  for (const field of ['command', 'args', 'env', 'cwd', 'initialize', 'servers']) {
    const { status, body } = await run({ server: 'notes', method: 'echo', [field]: 'sh' });
    expect([status, body.code]).toEqual([400, 'ERR_INPUT']);
    expect(body.detail).toContain(`stdio.${field}: unknown field`);
  }
  const { body } = await run({ server: 'sh', method: 'echo' });
  expect(body).toMatchObject({ code: 'ERR_INPUT', detail: expect.stringContaining('has no server "sh"') });
});

test('a token has the servers that it names, in processes of its own, and no other', async () => {
  const asked = (server: string, session = 'tenant/1') => run({ server, method: 'pid', session }, {}, tenant);
  const refusal = async (server: string, session?: string) => {
    const { status, body } = await asked(server, session);
    return [status, body.code, body.field];
  };
  const [mine, again, everybodys] = [
    await asked('notes'),
    await asked('notes'),
    await run({ server: 'notes', method: 'pid' }),
  ];
  expect([mine.status, everybodys.status]).toEqual([200, 200]);
  expect(again.body.response).toEqual(mine.body.response);
  expect(everybodys.body.response).not.toEqual(mine.body.response);
  expect(await refusal('notes', 'other/1')).toEqual([403, 'ERR_FORBIDDEN', 'request.session']);
  expect(await asked('shared')).toMatchObject({ status: 200 });
  expect(await refusal('other')).toEqual([403, 'ERR_FORBIDDEN', 'request.server']);
  expect(await refusal('nothing')).toEqual([403, 'ERR_FORBIDDEN', 'request.server']);
});

test('a stream hears what the server says, and answers it by lines', async () => {
  const ask = stdio({ server: 'notes', method: 'ask', params: { method: 'sampling/createMessage', params: { q: 1 } } });
  const stream = HttpStream.twoWay(at.service, ask);
  const lines: Record<string, unknown>[] = [];
  for await (const line of stream.lines()) {
    lines.push(line);
    if (line.channel !== 'message') continue;
    const { id } = JSON.parse(line.data as string) as { id: string };
    await stream.send({ data: `${JSON.stringify({ jsonrpc: '2.0', id, result: 'forty-two' })}\n` });
    stream.end();
  }
  expect(lines.map(({ channel }) => channel)).toEqual(['message', undefined]);
  expect(lines.at(-1)).toMatchObject({ outcome: 'ok', response: { result: { result: 'forty-two' } } });
});

test('progress comes as server-sent events, before the answer', async () => {
  const request = { server: 'notes', method: 'progress', params: { times: 3, _meta: { progressToken: 't' } } };
  const answer = await at.call('POST', '/v1/stream', stdio(request), { accept: 'text/event-stream' });
  expect(answer.headers.get('content-type')).toContain('text/event-stream');
  const events = (await answer.text()).split('\n\n').flatMap((event) => /^data: (.*)$/m.exec(event)?.[1] ?? []);
  const read = events.map((data) => JSON.parse(data) as { data?: string; outcome?: string });
  const told = read.flatMap(({ data }) => data?.trim().split('\n') ?? []).map((line) => JSON.parse(line) as object);
  expect(told).toMatchObject([1, 2, 3].map((progress) => ({ params: { progress, progressToken: 't' } })));
  expect(read.at(-1)).toMatchObject({ outcome: 'ok', response: { result: 3 } });
});

test('what is remembered is not asked again', async () => {
  const ask = async () => (await run({ server: 'notes', method: 'about' }, { cache: { ttlMs: 60_000 } })).body;
  const [first, second] = [await ask(), await ask()];
  expect([first.cache, second.cache]).toEqual(['miss', 'hit']);
  expect(second.response).toEqual(first.response);
});

test('the document of the API says what a request may hold', async () => {
  const document = (await (await at.call('GET', '/openapi.json')).json()) as {
    components: { schemas: Record<string, { properties: object; required: string[]; additionalProperties: boolean }> };
  };
  const { properties, required, additionalProperties } = document.components.schemas.StdioRequest!;
  expect(Object.keys(properties).sort()).toEqual(['method', 'notify', 'params', 'server', 'session']);
  expect({ required, additionalProperties }).toEqual({ required: ['server', 'method'], additionalProperties: false });
});
