import { expect, test } from 'vitest';
import { requestJson } from '../../../src/client/json.ts';

const refused = (driver: string, request: unknown) => {
  try {
    requestJson(driver, request);
  } catch (error) {
    return (error as Error).message;
  }
  return 'taken';
};

test('a request is the same when it is read back', () => {
  const request = {
    key: 'a',
    payload: { list: [1, null, 'ä\u2028\u0000', true, { deep: [] }], none: null, zero: 0.5 },
  };
  expect(JSON.parse(requestJson('echo', request))).toEqual(request);
});

test('what ssh is to send on stdin may be bytes, of a part of a larger buffer too', () => {
  const whole = Buffer.from([1, 2, 0xff, 0, 4]);
  const request = { host: 'a', command: 'cat', user: undefined, stdin: whole.subarray(1, 4) };
  const read = JSON.parse(requestJson('ssh', request)) as { stdin: { base64: string } };
  expect(Buffer.from(read.stdin.base64, 'base64')).toEqual(Buffer.from([2, 0xff, 0]));
  expect(request.stdin).toBeInstanceOf(Buffer);
  expect(JSON.parse(requestJson('ssh', { host: 'a', command: 'cat', stdin: 'text' }))).toMatchObject({ stdin: 'text' });
});

test('what JSON has no words for is refused by the name of its field', () => {
  const payloads: [unknown, string, string][] = [
    [Buffer.from('a'), '`payload`', 'bytes'],
    [{ a: [new Uint8Array(2)] }, '`payload.a[0]`', 'bytes'],
    [{ a: undefined }, '`payload.a`', 'undefined'],
    [[undefined], '`payload[0]`', 'undefined'],
    // biome-ignore lint/suspicious/noSparseArray: a hole would be read back as null
    [[1, , 2], '`payload[1]`', 'undefined'],
    [Number.NaN, '`payload`', 'NaN'],
    [{ n: Number.POSITIVE_INFINITY }, '`payload.n`', 'Infinity'],
    [12n, '`payload`', 'a bigint'],
    [new Date(0), '`payload`', 'a Date'],
    [new Map([[1, 2]]), '`payload`', 'a Map'],
    [() => 1, '`payload`', 'a function'],
    [Symbol('a'), '`payload`', 'a symbol'],
  ];
  for (const [payload, field, kind] of payloads) {
    const says = refused('echo', { key: 'a', payload });
    expect(says).toContain(field);
    expect(says).toContain(kind);
  }
});

test('what refers to itself is refused', () => {
  const payload: Record<string, unknown> = {};
  payload.self = payload;
  expect(refused('echo', { key: 'a', payload })).toContain('deeper');
});

test('a field of ssh that is undefined is not said, wherever it stands', () => {
  const request = { host: 'a', command: 'id', jump: [{ host: 'b', user: undefined }] };
  expect(JSON.parse(requestJson('ssh', request))).toEqual({ host: 'a', command: 'id', jump: [{ host: 'b' }] });
});

test('a request that is no object is refused', () => {
  for (const request of [null, undefined, 'a', 7, ['a']]) expect(refused('echo', request)).toContain('an object');
});

test('a mail’s bytes go as base64, and nothing else of it may be bytes', () => {
  const bytes = Buffer.from([1, 0xff]);
  const mail = { host: 'a', subject: undefined, raw: bytes, attachments: [{ filename: 'b', content: bytes }] };
  const base64 = { base64: bytes.toString('base64') };
  expect(JSON.parse(requestJson('smtp', mail))).toEqual({
    host: 'a',
    raw: base64,
    attachments: [{ filename: 'b', content: base64 }],
  });
  expect(refused('smtp', { ...mail, text: bytes })).toContain('`text`');
  expect(refused('smtp', { ...mail, attachments: [{ filename: bytes }] })).toContain('`attachments[0].filename`');
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  expect(refused('smtp', { headers: loop })).toContain('deeper');
});

test('the bytes of a body go as base64, and what is JSON stays JSON', () => {
  const bytes = Buffer.from([1, 0xff]);
  const request = { url: 'https://a.example', body: bytes };
  expect(JSON.parse(requestJson('http', request))).toEqual({ ...request, body: { base64: 'Af8=' } });
  expect(JSON.parse(requestJson('http', { json: { body: [1] } }))).toEqual({ json: { body: [1] } });
  expect(refused('http', { json: { body: bytes } })).toContain('`json.body`');
});
