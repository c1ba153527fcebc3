import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/engine.js';
import { answered, echoLines, resultsOf, shown, submit } from '../support/http-batches.js';
import { TestService } from '../support/service.js';

const TOKENS = { alice: 'a'.repeat(40), bob: 'b'.repeat(40), narrow: 'n'.repeat(40) };
const sha256 = (token: string) => `sha256:${createHash('sha256').update(token).digest('hex')}`;

let at: TestService;
beforeAll(async () => {
  const { alice, bob, narrow } = TOKENS;
  at = await TestService.start({
    tokens: [
      { name: 'alice', token: sha256(alice) },
      { name: 'bob', token: sha256(bob) },
      { name: 'narrow', token: sha256(narrow), drivers: ['echo'], hosts: ['web-*'] },
    ],
    maxBatchBytes: 200_000,
    maxBatchUploads: 3,
    // Of 1,000 requests at once each has its turn within this, on a busy machine too.
    http: { headersTimeoutMs: 60_000 },
  });
});
afterAll(() => at.stop());

const kept = () => {
  const dir = join(at.dataDir, 'batches');
  return existsSync(dir) ? readdirSync(dir) : [];
};
const as = (token: string) => ({ authorization: `Bearer ${token}` });

describe('a batch that is submitted', () => {
  test.each([
    ['lines', 'application/x-ndjson', '{"request":{"key":"a","payload":1}}\n{"id":"x","request":{"key":"b"}}'],
    [
      'an array',
      'application/json; charset=utf-8',
      '[{"request":{"key":"a","payload":1}}, {"id":"x","request":{"key":"b"}}]',
    ],
    ['rows', 'text/csv', 'id,key,payload\n0,a,1\nx,b,\n'],
  ])('of %s is run to its end, and has its results', async (name, type, body) => {
    const made = await submit(at, `as ${name}`, body, { type, query: '?driver=echo&labels=one,two&priority=3' });
    expect(made.status).toBe(201);
    expect(made.location).toBe(`/v1/batches/${made.body.id}`);
    expect(made.body).toMatchObject({ principal: 'admin', total: 2, options: { labels: ['one', 'two'], priority: 3 } });
    const results = await resultsOf(at, made.body.id);
    expect(results.map(({ index, id, outcome }) => [index, id, outcome]).sort()).toEqual([
      [0, '0', 'ok'],
      [1, 'x', 'ok'],
    ]);
    await until(async () => (await shown(at, made.body.id)).state === 'done');
  });

  test('tells of its first 20 bad lines, and keeps and runs nothing', async () => {
    const lines = Array.from({ length: 30 }, (_, i) => (i % 10 === 5 ? '{"request":{"key":"a"}}' : `{"id":${i}`));
    const before = kept();
    const { status, body } = await submit(at, 'bad lines', lines.join('\n'), { query: '?driver=echo' });
    expect(status).toBe(400);
    expect(body.errors).toHaveLength(20);
    expect(body.errors?.slice(4, 6).map(({ line }) => line)).toEqual([5, 7]);
    expect(kept()).toEqual(before);
  });

  test('may hold only what its bearer may run, line by line', async () => {
    const lines = ['web-1', 'db-1', 'web-2'].map((key) => JSON.stringify({ driver: 'echo', request: { key } }));
    const { status, body } = await submit(at, 'not mine', lines.join('\n'), { token: TOKENS.narrow });
    expect(status).toBe(400);
    expect(body.errors).toMatchObject([{ line: 2, detail: expect.stringContaining('request.key') }]);
    expect((await submit(at, 'mine', `${lines[0]}\n${lines[2]}`, { token: TOKENS.narrow })).status).toBe(201);
  });

  test.each([
    ['an option that there is not', '?concurency=3', /concurency/],
    ['an option out of its bounds', '?concurrency=0', /concurrency/],
    ['an option twice', '?rate=1&rate=2', /rate/],
    ['a share over all', '?maxFailures=101%25', /maxFailures/],
    ['chunks of what is kept', '?chunks=true', /chunks.*journal=false/],
  ])('is refused for %s', async (_, query, says) => {
    const { status, body } = await submit(at, 'refused', echoLines(1), { query });
    expect([status, body.code]).toEqual([400, 'ERR_INPUT']);
    expect(body.detail).toMatch(says);
  });

  test('is refused where its body is of another kind, is too large, or is not there', async () => {
    expect((await submit(at, 'kind', 'x', { type: 'text/plain' })).status).toBe(415);
    expect((await submit(at, 'empty', '')).status).toBe(400);
    const before = kept();
    const large = await submit(at, 'large', 'x'.repeat(20_000_000));
    expect([large.status, large.body.code]).toEqual([413, 'ERR_INPUT']);
    expect(large.body.detail).toContain('200,000');
    expect(kept()).toEqual(before);
  });
});

describe('an Idempotency-Key (R9)', () => {
  test('gives the same batch for the same body and options, and 422 for others', async () => {
    const body = echoLines(5);
    const made = await submit(at, '"k 1"', body, { query: '?concurrency=2' });
    expect(made.status).toBe(201);
    // As a quoted string and bare it is one key.
    const again = await submit(at, 'k 1', body, { query: '?concurrency=2' });
    expect([again.status, again.body.id, again.location]).toEqual([200, made.body.id, made.location]);
    for (const [other, query] of [
      [echoLines(6), '?concurrency=2'],
      [body, '?concurrency=3'],
      [body, ''],
      [body, '?concurrency=2&driver=echo'],
    ] as const) {
      const refused = await submit(at, 'k 1', other, { query });
      expect([refused.status, refused.body.code]).toEqual([422, 'ERR_INPUT']);
    }
    expect(await resultsOf(at, made.body.id)).toHaveLength(5);
    // It has ended: the same still.
    expect((await submit(at, 'k 1', body, { query: '?concurrency=2' })).body.id).toBe(made.body.id);
  });

  test('is asked for, and must be one', async () => {
    for (const key of [undefined, '', 'ü', 'x'.repeat(256)]) {
      const { status, body } = await submit(at, key === 'ü' ? '\u00fc' : key, echoLines(1));
      expect([status, body.code]).toEqual([400, 'ERR_INPUT']);
      expect(body.detail).toContain('Idempotency-Key');
    }
  });

  test("is its bearer's own: of another it makes another batch", async () => {
    const one = await submit(at, 'shared', echoLines(1), { token: TOKENS.alice });
    const other = await submit(at, 'shared', echoLines(1), { token: TOKENS.bob });
    expect([one.status, other.status]).toEqual([201, 201]);
    expect(other.body.id).not.toBe(one.body.id);
  });

  test('that is being taken in is answered with 409, and a client that goes in between blocks nothing', async () => {
    const cut = new AbortController();
    const pieces = new TransformStream<Uint8Array>();
    const writer = pieces.writable.getWriter();
    const before = kept();
    const first = fetch(`${at.service.url}/v1/batches`, {
      method: 'POST',
      headers: { ...as(at.service.token), 'content-type': 'application/x-ndjson', 'idempotency-key': 'slow' },
      body: pieces.readable,
      signal: cut.signal,
      ...{ duplex: 'half' },
    });
    await writer.write(Buffer.from(echoLines(1)));
    await until(() => kept().length > before.length);
    const second = await submit(at, 'slow', echoLines(1));
    expect([second.status, second.body.code]).toEqual([409, 'ERR_EXISTS']);
    cut.abort();
    await expect(first).rejects.toThrow();
    await until(() => kept().length === before.length);
    await until(async () => (await submit(at, 'slow', echoLines(1))).status === 201);
  });

  test('that 1,000 requests send at once makes one batch', async () => {
    const body = echoLines(3);
    const before = kept().length;
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => submit(at, 'at once', body)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.every((status) => status === 201 || status === 200 || status === 409)).toBe(true);
    expect(new Set(answers.filter(({ status }) => status < 300).map(({ body: { id } }) => id)).size).toBe(1);
    expect(kept()).toHaveLength(before + 1);
  });
});

test('bodies that come in at once are bounded, and of one token half of that: the next is told to come again', async () => {
  const cut = new AbortController();
  const before = kept().length;
  const open = (token: string, key: string) => {
    const pieces = new TransformStream<Uint8Array>();
    void pieces.writable.getWriter().write(Buffer.from(echoLines(1)));
    return fetch(`${at.service.url}/v1/batches`, {
      method: 'POST',
      headers: { ...as(token), 'content-type': 'application/x-ndjson', 'idempotency-key': key },
      body: pieces.readable,
      signal: cut.signal,
      ...{ duplex: 'half' },
    }).catch(() => {});
  };
  const more = async (token: string) => {
    const { status, body } = await submit(at, 'one more', echoLines(1), { token });
    return `${status} ${body.code} ${body.detail}`;
  };
  const opened = [open(at.service.token, 'open 0'), open(at.service.token, 'open 1')];
  await until(() => kept().length === before + 2);
  expect(await more(at.service.token)).toMatch(/^503 ERR_SATURATED .* 2 batches of this token that come in/);
  opened.push(open(TOKENS.alice, 'open 2'));
  await until(() => kept().length === before + 3);
  for (const token of [at.service.token, TOKENS.alice, TOKENS.bob])
    expect(await more(token)).toMatch(/^503 ERR_SATURATED .* 3 batches that come in/);
  cut.abort();
  await Promise.all(opened);
  await until(async () => (await submit(at, 'one more', echoLines(1))).status === 201);
});

describe('a batch of another', () => {
  test('is not there for others, and is for its owner and an admin', async () => {
    const { body } = await submit(at, 'whose', echoLines(1), { token: TOKENS.alice });
    const paths: [string, string][] = [
      ['GET', ''],
      ['GET', '/results'],
      ['GET', '/report'],
      ...['cancel', 'pause', 'resume', 'retry'].map((verb): [string, string] => ['POST', `/${verb}`]),
      ['DELETE', ''],
    ];
    for (const [method, path] of paths) {
      const answer = await answered(
        await at.call(method, `/v1/batches/${body.id}${path}`, undefined, {
          ...as(TOKENS.bob),
          'idempotency-key': 'k',
        }),
      );
      expect([method, path, answer.status, answer.body.code]).toEqual([method, path, 404, 'ERR_NOT_FOUND']);
    }
    const listed = async (token: string) => {
      const answer = await at.call('GET', '/v1/batches?limit=1000', undefined, as(token));
      return ((await answer.json()) as { batches: { id: string }[] }).batches.some(({ id }) => id === body.id);
    };
    expect([await listed(TOKENS.bob), await listed(TOKENS.alice), await listed(at.service.token)]).toEqual([
      ...[false, true, true],
    ]);
  });
});
