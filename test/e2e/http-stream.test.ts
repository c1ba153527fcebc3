import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/engine.js';
import { HttpStream } from '../support/http-stream.js';
import { withVariable } from '../support/process-tree.js';
import { TestService } from '../support/service.js';
import { type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
let at: TestService;
beforeAll(async () => {
  sshd = await startSshd();
  const { port, user, identity, knownHosts } = sshd;
  at = await TestService.start({ engine: { ssh: { port, user, identity, knownHosts } } });
});
afterAll(async () => {
  await at?.stop();
  await sshd?.stop();
});

const MIB = 1024 * 1024;
const ssh = (command: string, more: object = {}) => ({
  driver: 'ssh',
  request: { host: '127.0.0.1', command, maxOutputBytes: 1024 },
  ...more,
});
/** What sshd has started and still runs. */
const running = () => withVariable('SSH_CONNECTION', (value) => value.endsWith(` ${sshd.port}`)).length;

test('8 MiB of whatever bytes come back byte for byte through cat, as base64', async () => {
  const bytes = randomBytes(8 * MIB);
  const stream = HttpStream.twoWay(at.service, ssh('cat'));
  const read = stream.rest();
  for (let from = 0; from < bytes.length; from += 50_000)
    await stream.send({ base64: bytes.subarray(from, from + 50_000).toString('base64') });
  stream.end();
  const { output, result } = await read;
  expect(output.stdout?.equals(bytes)).toBe(true);
  expect(result).toMatchObject({
    index: 0,
    id: '0',
    outcome: 'ok',
    attempts: 1,
    response: { code: 0, truncated: true },
  });
});

test('8 MiB of text come back as text, also where a piece ends within a character', async () => {
  const piece = 'aé€𝄞\u001b[31m<b>\u0000';
  const points = [...piece.repeat((8 * MIB) / Buffer.byteLength(piece))];
  const stream = HttpStream.twoWay(at.service, ssh('cat'));
  let base64 = 0;
  let read = '';
  const reading = (async () => {
    for await (const line of stream.lines()) {
      if ('base64' in line) base64++;
      if ('data' in line) read += line.data;
    }
  })();
  for (let from = 0; from < points.length; from += 9_001)
    await stream.send({ data: points.slice(from, from + 9_001).join('') });
  stream.end();
  await reading;
  expect(base64).toBe(0);
  expect(read === points.join('')).toBe(true);
});

test('what a program prints comes as it comes, before its input has ended, and as it is', async () => {
  const stream = HttpStream.twoWay(at.service, ssh('while read line; do printf "<b>%s</b>\\033[1m\\n" "$line"; done'));
  const lines = stream.lines();
  for (const word of ['one', 'two']) {
    await stream.send({ data: `${word}\n` });
    expect((await lines.next()).value).toEqual({ channel: 'stdout', data: `<b>${word}</b>\u001b[1m\n` });
  }
  stream.end();
  expect((await lines.next()).value).toMatchObject({ outcome: 'ok', host: '127.0.0.1', response: { code: 0 } });
  expect((await lines.next()).done).toBe(true);
});

test('stdout and stderr are two channels; a code that is not 0 and a signal are answers', async () => {
  const failed = await HttpStream.oneWay(at.service, ssh('echo out; echo err >&2; exit 3')).rest();
  expect(failed).toMatchObject({ result: { outcome: 'failed', response: { code: 3, signal: null, stdout: 'out\n' } } });
  expect([String(failed.output.stdout), String(failed.output.stderr)]).toEqual(['out\n', 'err\n']);
  const killed = await HttpStream.oneWay(at.service, ssh('kill -TERM $$')).rest();
  expect(killed.result).toMatchObject({ outcome: 'failed', response: { code: null, signal: 'SIGTERM' } });
});

test('bytes that are no text go in and come out as base64, in one request and in a stream', async () => {
  const request = { host: '127.0.0.1', command: 'cat', stdin: { base64: '/wDx' } };
  const answer = await at.call('POST', '/v1/run', { driver: 'ssh', request: { ...request, encoding: 'buffer' } });
  expect(await answer.json()).toMatchObject({ outcome: 'ok', response: { stdout: { base64: '/wDx' } } });
  const { output } = await HttpStream.oneWay(at.service, { driver: 'ssh', request }).rest();
  expect(output.stdout?.toString('base64')).toBe('/wDx');
});

test('with one body for all the input is empty', async () => {
  const { result } = await HttpStream.oneWay(at.service, ssh('cat; echo end')).rest();
  expect(result).toMatchObject({ outcome: 'ok', response: { stdout: 'end\n' } });
});

test('as events the pieces are `chunk`, and the last one is `result`', async () => {
  const stream = HttpStream.oneWay(at.service, ssh('printf "a\\nb"'), { accept: 'text/event-stream' });
  const head = await stream.head;
  expect(head.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  let text = '';
  for await (const piece of head) text += piece;
  expect(text).toMatch(
    /^event: chunk\ndata: {"channel":"stdout","data":"a\\nb"}\n\nevent: result\ndata: {"index":0,.*"outcome":"ok".*}\n\n$/,
  );
});

test('a client that goes takes the remote command with it, whatever way it speaks', async () => {
  for (const open of [HttpStream.oneWay, HttpStream.twoWay]) {
    const stream = open(at.service, ssh('echo begun; exec sleep 1000'));
    const lines = stream.lines();
    expect((await lines.next()).value).toMatchObject({ data: 'begun\n' });
    expect((await at.service.engine.stats()).inFlight).toBe(1);
    const left = performance.now();
    stream.destroy();
    await until(async () => (await at.service.engine.stats()).inFlight === 0);
    expect(performance.now() - left).toBeLessThan(5_000);
    await until(() => running() === 0);
  }
});

test('a time-out is the last line where output has begun', async () => {
  const { output, result } = await HttpStream.oneWay(
    at.service,
    ssh('echo begun; exec sleep 1000', { timeoutMs: 1_500 }),
  ).rest();
  expect(String(output.stdout)).toBe('begun\n');
  expect(result).toMatchObject({ outcome: 'unknown', error: { code: 'ERR_TIMEOUT' } });
});

test('a bad line ends it, and the last line says which one it is and why', async () => {
  const stream = HttpStream.twoWay(at.service, ssh('cat'));
  const lines = stream.lines();
  await stream.send({ data: 'good\n' });
  expect((await lines.next()).value).toMatchObject({ data: 'good\n' });
  await stream.send({ data: 7 });
  expect((await lines.next()).value).toMatchObject({
    outcome: 'canceled',
    error: { code: 'ERR_INPUT', message: 'line 3: `data` must be a string' },
  });
  // The client has not ended its body, and is not waited for.
  expect((await lines.next()).done).toBe(true);
  stream.destroy();
});

test.each([
  ['no line', '', 'line 1', 'it is missing: it is the request'],
  ['no JSON', 'secret', 'line 1', 'is not JSON'],
  ['no request', '{"driver":"ssh"}', 'request', 'it is missing'],
  ['an option of other requests', '{"driver":"ssh","request":{},"attempts":2}', 'attempts', 'unknown field'],
  ['no such driver', '{"driver":"sssh","request":{}}', 'driver', 'unknown driver `sssh`'],
  ['a bad request', '{"driver":"ssh","request":{"host":"a","command":"b","prot":1}}', 'request.prot', 'unknown field'],
])(
  'what is wrong with the request itself is a problem with a status and a field: %s',
  async (_what, body, field, says) => {
    const stream = new HttpStream(at.service);
    stream.request.end(body);
    const head = await stream.head;
    expect(head.statusCode).toBe(400);
    expect(head.headers['content-type']).toContain('application/problem+json');
    let text = '';
    for await (const piece of head) text += piece;
    expect(text).not.toContain('secret');
    expect(JSON.parse(text)).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', field });
    expect(JSON.parse(text).detail).toContain(says);
  },
);

test('a first line that is too long is a 413, and the client need not send it all', async () => {
  const stream = new HttpStream(at.service);
  void stream.send('x'.repeat(2 * MIB));
  expect((await stream.head).statusCode).toBe(413);
  stream.destroy();
});
