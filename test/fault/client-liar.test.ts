import { connect } from 'keylane/client';
import { expect, onTestFinished, test } from 'vitest';
import { failure } from '../support/engine.js';
import { okAnswer, okLine, rawAnswer, startRawServer } from '../support/raw-http.js';

const echo = { key: 'a', payload: 1 };
const NDJSON = 'application/x-ndjson';

async function clientOf(url: string, options: object = {}) {
  const client = await connect({ url, ...options });
  onTestFinished(() => client.destroy());
  return client;
}

/** What a request to a server rejects with that answers each with these bytes. */
async function answeredWith(bytes: string, options: object = {}) {
  const server = await startRawServer({ request: (socket) => socket.write(bytes) });
  const client = await clientOf(server.url, options);
  const { code, outcome, message } = await failure(client.run('echo', echo));
  return { code, outcome, message };
}

const LIES: [string, string][] = [
  ['what is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['headers without end', `HTTP/1.1 200 OK\r\n${`x-more: ${'x'.repeat(1_000)}\r\n`.repeat(100)}`],
  ['what is not JSON', rawAnswer(200, '{"outcome":"ok","resp')],
  ['another content type', rawAnswer(200, JSON.stringify(okLine()), 'text/html')],
  ['JSON that is no object', rawAnswer(200, '[1]')],
  ['a result without an outcome', rawAnswer(200, '{"response":{"payload":1}}')],
  ['an outcome that does not exist', rawAnswer(200, '{"outcome":"fine","response":{"payload":1}}')],
  ['ok without a response', rawAnswer(200, '{"outcome":"ok"}')],
  ['an error without an error', rawAnswer(200, '{"outcome":"unknown"}')],
  ['a length that is no number', 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: many\r\n\r\n{}'],
  ['another place to go to', rawAnswer(302, '', 'text/plain', ['location: http://127.0.0.1:1/'])],
  ['a status of no meaning here', rawAnswer(500, 'oops', 'text/plain')],
];

test.each(LIES)('a server that answers with %s is not believed: the request may have run', async (_, bytes) => {
  expect(await answeredWith(bytes)).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'unknown' });
});

test('an answer that is too long is not kept', async () => {
  const { code, outcome, message } = await answeredWith(okAnswer('x'.repeat(100_000)), { maxAnswerBytes: 50_000 });
  expect({ code, outcome }).toEqual({ code: 'ERR_PROTOCOL', outcome: 'unknown' });
  expect(message).toContain('longer than 50000 bytes');
});

test('an answer without end is cut as soon as it is too long', async () => {
  let sent = 0;
  const server = await startRawServer({
    request: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n');
      const more = () => {
        if (socket.destroyed) return;
        sent += 65_536;
        socket.write(`10000\r\n${' '.repeat(65_536)}\r\n`, () => setImmediate(more));
      };
      more();
    },
  });
  const client = await clientOf(server.url, { maxAnswerBytes: 1_000_000 });
  expect(await failure(client.run('echo', echo))).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'unknown' });
  expect(sent).toBeLessThan(20_000_000);
});

test('an answer that drips ends with the time of its request', async () => {
  const answer = okAnswer();
  const server = await startRawServer({
    request: (socket) => {
      let at = 0;
      const drip = () => {
        if (socket.destroyed) return;
        socket.write(answer.slice(at, ++at));
        if (at < answer.length - 1) setImmediate(drip);
      };
      drip();
    },
  });
  const client = await clientOf(server.url, { timeoutMs: 100 });
  // Of what only asks, nothing can have run.
  expect(await failure(client.stats())).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'not_started' });
});

const LINES: [string, string, string][] = [
  ['what is not JSON', 'no json\n', 'no JSON object'],
  ['what is no object', '[]\n', 'no JSON object'],
  ['a line without end', 'x'.repeat(60_000), 'longer than 50000 bytes'],
];

test.each(LINES)('a live answer that holds %s ends there', async (_, body, says) => {
  const server = await startRawServer({
    piece: (socket) => socket.write(rawAnswer(200, `${body}${' '.repeat(9)}`, NDJSON)),
  });
  const client = await clientOf(server.url, { maxAnswerBytes: 50_000 });
  const error = await failure(client.stream('echo', echo).response);
  expect(error).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'unknown' });
  expect(error.message).toContain(says);
  const loop = (async () => {
    for await (const _ of client.batch('echo', endless())) {
    }
  })();
  expect(await failure(loop)).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'unknown' });
});

test('a stream without a result is not taken for one that ended well', async () => {
  const line = '{"channel":"stdout","data":"hello"}\n';
  const server = await startRawServer({ piece: (socket) => socket.write(rawAnswer(200, line, NDJSON)) });
  const client = await clientOf(server.url);
  const stream = client.stream('echo', echo);
  expect(await stream.next()).toMatchObject({ value: { channel: 'stdout', data: Buffer.from('hello') } });
  const error = await failure(stream.response);
  expect(error).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
});

test('what a batch was given and the service has no result of is told, also where the answer is whole', async () => {
  const lines = [okLine('first', 0), okLine('nobody asked', 7)].map((line) => `${JSON.stringify(line)}\n`).join('');
  const server = await startRawServer({ piece: (socket) => socket.write(rawAnswer(200, lines, NDJSON)) });
  const client = await clientOf(server.url);
  const told: string[] = [];
  for await (const { index, outcome, error } of client.batch('echo', [echo, echo], { concurrency: 1 }))
    told.push(`${index} ${outcome} ${error?.code}`);
  expect(told.sort()).toEqual(['0 ok undefined', '1 not_started ERR_STOPPED']);
});

function* endless() {
  for (;;) yield echo;
}
