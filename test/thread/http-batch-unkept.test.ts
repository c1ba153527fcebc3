import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createService } from 'keylane/server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FLOOD, PUPPET } from '../support/drivers/own.js';
import { until } from '../support/engine.js';
import { echoLines } from '../support/http-batches.js';
import { HttpStream } from '../support/http-stream.js';
import { seeded } from '../support/seed.js';
import { newDataDir, TestService } from '../support/service.js';

const NARROW = 'n'.repeat(40);
const SLOW = 's'.repeat(40);
const sha256 = (token: string) => `sha256:${createHash('sha256').update(token).digest('hex')}`;

let at: TestService;
beforeAll(async () => {
  at = await TestService.start({
    engine: { drivers: [PUPPET, FLOOD] },
    tokens: [
      {
        name: 'narrow',
        token: sha256(NARROW),
        hosts: ['web-*'],
        quota: { batches: 1 },
      },
      { name: 'slow', token: sha256(SLOW), quota: { inFlight: 2 } },
    ],
  });
});
afterAll(() => at.stop());

const open = (query = '', headers = {}) => new HttpStream(at.service, headers, `/v1/batches?journal=false${query}`);
const echo = (payload: unknown, more: object = {}) => ({ driver: 'echo', request: { key: 'web-1', payload, ...more } });
type Line = Record<string, unknown> & { index: number; outcome: string; error?: { code: string; message: string } };

async function all(stream: HttpStream): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of stream.lines()) lines.push(line as Line);
  return lines;
}

/** All lines of a body, and the whole answer. */
async function answer(body: string, query = '', headers = {}): Promise<Line[]> {
  const stream = open(query, headers);
  stream.request.end(body);
  return all(stream);
}

describe('a batch without a journal', () => {
  test('is one of as many as come: none is taken for a leak', async () => {
    const warnings: string[] = [];
    const note = ({ message }: Error) => warnings.push(message);
    process.on('warning', note);
    const streams = Array.from({ length: 15 }, () => open());
    await Promise.all(
      streams.map(async (stream) => {
        await stream.send(echo('here'));
        await stream.lines().next();
      }),
    );
    for (const stream of streams) stream.end();
    await Promise.all(streams.map(all));
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  test('answers as the jobs come: the result of one is there before the next is sent', async () => {
    const stream = open();
    const lines = stream.lines();
    for (let payload = 0; payload < 3; payload++) {
      await stream.send({ id: `job ${payload}`, ...echo(payload) });
      const { value } = await lines.next();
      expect(value).toMatchObject({ index: payload, id: `job ${payload}`, outcome: 'ok', response: { payload } });
    }
    stream.end();
    expect((await lines.next()).done).toBe(true);
    expect(existsSync(join(at.dataDir, 'batches'))).toBe(false);
  });

  test('has every result of many jobs exactly once, however the body is cut', async () => {
    const count = 5_000;
    const body = Buffer.from(echoLines(count, (index) => ({ payload: `ü${index}` })).trimEnd());
    const random = seeded();
    const stream = open();
    const read = all(stream);
    for (let from = 0; from < body.length; ) {
      const to = from + 1 + random.below(20_000);
      if (!stream.request.write(body.subarray(from, to))) await new Promise((go) => stream.request.once('drain', go));
      from = to;
    }
    stream.end();
    const results = await read;
    expect(results.map(({ index }) => index).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(results.every(({ index, response }) => (response as { payload: string }).payload === `ü${index}`)).toBe(
      true,
    );
  });

  test('settles each bad line as not started, with its number, and runs the others', async () => {
    const good = JSON.stringify(echo(1));
    const bad = Buffer.from('{"driver":"echo","request":{"key":"\xff"}}', 'latin1');
    const lines = [good, '', '{"secret": x', '[]', '{"driver":"none","request":{}}', '{"driver":"echo"}', good];
    const stream = open('&concurrency=1');
    stream.request.write(`${lines.join('\n')}\r\n`);
    stream.request.end(Buffer.concat([bad, Buffer.from('\n')]));
    const results = await all(stream);
    const told = results
      .sort((a, b) => a.index - b.index)
      .map(({ index, outcome, error }) => [index, outcome, error?.code, error?.message]);
    expect(told).toEqual([
      [0, 'ok', undefined, undefined],
      [1, 'not_started', 'ERR_INPUT', 'line 3: is not JSON'],
      [2, 'not_started', 'ERR_INPUT', 'line 4: is no JSON object'],
      [3, 'not_started', 'ERR_INPUT', expect.stringContaining('none')],
      [4, 'not_started', 'ERR_INPUT', expect.any(String)],
      [5, 'ok', undefined, undefined],
      [6, 'not_started', 'ERR_INPUT', 'line 8: is not UTF-8'],
    ]);
    expect(JSON.stringify(told)).not.toContain('secret');
  });

  test('ends at a line that is too long, and says so', async () => {
    const results = await answer(`${JSON.stringify(echo(1))}\n${'x'.repeat(1_100_000)}\n${JSON.stringify(echo(2))}\n`);
    expect(results.map(({ index, outcome }) => [index, outcome]).sort()).toEqual([
      [0, 'ok'],
      [1, 'not_started'],
    ]);
    expect(results.find(({ index }) => index === 1)?.error?.message).toMatch(/^line 2: is longer than/);
  });

  test('runs what its bearer may run, and as many batches as its quota has', async () => {
    const headers = { authorization: `Bearer ${NARROW}` };
    const body = `${JSON.stringify(echo(1))}\n${JSON.stringify(echo(2, { key: 'db-1' }))}\n`;
    const results = await answer(body, '', headers);
    expect(results.map(({ index, outcome, error }) => [index, outcome, error?.code]).sort()).toEqual([
      [0, 'ok', undefined],
      [1, 'not_started', 'ERR_FORBIDDEN'],
    ]);
    const first = open('', headers);
    await first.send(echo(1));
    const lines = first.lines();
    await lines.next();
    const second = open('', headers);
    second.end();
    expect((await second.head).statusCode).toBe(429);
    first.end();
    expect((await lines.next()).done).toBe(true);
  });

  test('hands out live output between the results, where it is asked for', async () => {
    const body = `${JSON.stringify({ driver: 'flood', request: { key: 'a', bytes: 300_000 } })}\n`;
    const lines = await answer(body, '&chunks=true');
    const result = lines.pop();
    expect(result).toMatchObject({ index: 0, outcome: 'ok' });
    expect(lines.length).toBeGreaterThan(0);
    const bytes = lines.map(({ data, base64 }) =>
      base64 === undefined ? Buffer.from(data as string) : Buffer.from(base64 as string, 'base64'),
    );
    expect(Buffer.concat(bytes)).toHaveLength(300_000);
    expect(lines.every(({ index, channel }) => index === 0 && typeof channel === 'string')).toBe(true);
  });

  test('reads no more of its body than its reader takes of the answer', async () => {
    const payload = randomBytes(50_000).toString('hex');
    const stream = open('&concurrency=4');
    let sent = 0;
    const sending = (async () => {
      for (; sent < 400; sent++) await stream.send(echo(payload));
      stream.end();
    })();
    const head = await stream.head;
    // Nobody reads. What the sockets and the batch hold is taken; then it stands still.
    let before = -1;
    await until(async () => {
      const now = sent;
      const isStill = now === before && now > 0;
      before = now;
      for (let turn = 0; turn < 1_000; turn++) await new Promise((resolve) => setImmediate(resolve));
      return isStill;
    });
    expect(sent).toBeLessThan(400);
    let bytes = 0;
    head.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    await sending;
    await new Promise((resolve) => head.once('end', resolve));
    expect(bytes).toBeGreaterThan(400 * 100_000);
  });

  test('is cut when its client goes', async () => {
    const stream = open();
    await stream.send(echo(1));
    await stream.lines().next();
    for (let i = 0; i < 10; i++) await stream.send(echo(i, { delayMs: 60_000 }));
    await until(async () => (await at.service.engine.stats()).inFlight === 10);
    stream.destroy();
    await until(async () => (await at.service.engine.stats()).inFlight === 0);
  });

  test.each([
    ['a body of rows', 'text/csv', '', 415],
    ['an option of those that are kept', undefined, '&maxOutputTotal=5', 400],
  ])('is refused with %s', async (_, type, query, status) => {
    const stream = open(query, type === undefined ? {} : { 'content-type': type });
    stream.request.end('');
    expect((await stream.head).statusCode).toBe(status);
  });
});

test('a service that closes says nothing where all that was asked for has its result', async () => {
  const { dataDir, remove } = newDataDir();
  const service = await createService({ port: 0, engine: { shards: 1, dataDir } });
  try {
    const stream = new HttpStream(service, {}, '/v1/batches?journal=false');
    stream.request.end(`${JSON.stringify(echo(1, { delayMs: 500 }))}\n`);
    await stream.head;
    await until(async () => (await service.engine.stats()).inFlight === 1);
    const closed = service.close();
    expect(await all(stream)).toMatchObject([{ index: 0, outcome: 'ok' }]);
    await closed;
  } finally {
    await service.destroy();
    remove();
  }
});

test('a service that closes lets what is in flight end, and says that the rest was not run', async () => {
  const { dataDir, remove } = newDataDir();
  const service = await createService({ port: 0, engine: { shards: 1, dataDir } });
  try {
    const stream = new HttpStream(service, {}, '/v1/batches?journal=false&concurrency=1');
    const lines = stream.lines();
    await stream.send(echo(0));
    await lines.next();
    await stream.send(echo(1, { delayMs: 300 }));
    await stream.send(echo(2));
    await until(async () => (await service.engine.stats()).inFlight === 1);
    const closed = service.close();
    const rest: Line[] = [];
    for await (const line of lines) rest.push(line as Line);
    expect(rest[0]).toMatchObject({ index: 1, outcome: 'ok' });
    expect(rest.at(-1)).toEqual({ error: { code: 'ERR_CLOSED', message: expect.any(String) } });
    expect(rest.some(({ index, outcome }) => index === 2 && outcome === 'ok')).toBe(false);
    await closed;
  } finally {
    await service.destroy();
    remove();
  }
});

test('a batch has no more in flight than its bearer may have', async () => {
  const narrow = { authorization: `Bearer ${SLOW}` };
  const stream = open('&concurrency=50', narrow);
  for (let i = 0; i < 6; i++) await stream.send(echo(i, { delayMs: 60_000 }));
  await until(async () => (await at.service.engine.stats()).inFlight === 2);
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect((await at.service.engine.stats()).inFlight).toBe(2);
  stream.destroy();
  await until(async () => (await at.service.engine.stats()).inFlight === 0);
});
