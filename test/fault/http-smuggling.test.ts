import { afterAll, beforeAll, expect, test } from 'vitest';
import { EngineSpy } from '../support/engine-spy.ts';
import { rawAnswer } from '../support/raw-request.ts';
import { TestService } from '../support/service.ts';

let own: TestService;
let spy: EngineSpy;
beforeAll(async () => {
  own = await TestService.start();
  spy = new EngineSpy(own.service.engine);
});
afterAll(() => own.stop());

const BODY = '{"driver":"echo","request":{"key":"k"}}';

/** A request of these lines, `\r\n` between them, and a second one that only a parser which is fooled sees. */
function asked(...lines: string[]): Promise<string> {
  const host = new URL(own.service.url).host;
  const head = ['POST /v1/run HTTP/1.1', `Host: ${host}`, `Authorization: Bearer ${own.service.token}`];
  return rawAnswer(own.service.url, [...head, 'Content-Type: application/json', ...lines].join('\r\n'), (text) =>
    /\r\n\r\n.*[}k\n]$/s.test(text),
  );
}

test('the same request without a trick is answered', async () => {
  expect(await asked(`Content-Length: ${BODY.length}`, '', BODY)).toMatch(/^HTTP\/1\.1 200 /);
  expect(spy.calls).not.toEqual([]);
});

test.each([
  ['a length and chunks', [`Content-Length: ${BODY.length}`, 'Transfer-Encoding: chunked', '', '0', '', BODY]],
  ['chunks and a length', ['Transfer-Encoding: chunked', 'Content-Length: 5', '', '0', '', '']],
  ['two lengths', ['Content-Length: 5', `Content-Length: ${BODY.length}`, '', BODY]],
  ['the same length twice', [`Content-Length: ${BODY.length}`, `Content-Length: ${BODY.length}`, '', BODY]],
  ['a list of lengths', [`Content-Length: ${BODY.length}, ${BODY.length}`, '', BODY]],
  ['a length with a sign', [`Content-Length: +${BODY.length}`, '', BODY]],
  ['a length of hex digits', ['Content-Length: 0x27', '', BODY]],
  ['an encoding that is not known', ['Transfer-Encoding: xchunked', '', BODY]],
  ['two encodings', ['Transfer-Encoding: chunked, identity', '', '0', '', '']],
  ['an encoding behind white space', ['Transfer-Encoding : chunked', '', '0', '', '']],
  ['a folded header', ['X-Folded: one', ' two', `Content-Length: ${BODY.length}`, '', BODY]],
  ['a folded encoding', ['Transfer-Encoding:', ' chunked', '', '0', '', '']],
  ['a bare line feed behind a header', [`X-Bare: one\nContent-Length: ${BODY.length}`, '', BODY]],
  ['bare line feeds only', [`Content-Length: ${BODY.length}\n\n${BODY}`]],
  ['a bare carriage return', [`X-Bare: one\rContent-Length: 5\r\nContent-Length: ${BODY.length}`, '', BODY]],
  ['a NUL in a header', [`X-Nul: a\0b`, `Content-Length: ${BODY.length}`, '', BODY]],
  ['a size of a chunk with a bare line feed', ['Transfer-Encoding: chunked', '', '0\n', '', '']],
  ['a size of a chunk that is none', ['Transfer-Encoding: chunked', '', '0x5', 'hello', '0', '', '']],
  ['a size of a chunk with a minus', ['Transfer-Encoding: chunked', '', '-1', '', '']],
  ['two names of the host', ['Host: elsewhere.example', `Content-Length: ${BODY.length}`, '', BODY]],
])('%s: 400, and nothing is run', async (_name, lines) => {
  spy.calls.length = 0;
  expect(await asked(...lines)).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"ERR_INPUT"/);
  expect(spy.calls).toEqual([]);
});

test('a target that names another host is no path', async () => {
  const { host } = new URL(own.service.url);
  const asking = (target: string) =>
    rawAnswer(own.service.url, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  expect(await asking('/livez')).toMatch(/^HTTP\/1\.1 200 /);
  for (const target of ['http://elsewhere.example/livez', `http://${host}/livez`, 'livez', '*'])
    expect(await asking(target), target).toMatch(/^HTTP\/1\.1 (400|401|404) /);
});
