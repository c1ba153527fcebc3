import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeylaneError } from '../../../src/errors.ts';
import { requestProblem } from '../../../src/specs/request-check.ts';
import { makeStdioSpec } from '../../../src/specs/stdio.ts';
import { plainRequest, stdioOptions, stdioRequest } from '../../../src/specs/stdio-schema.ts';
import type { StdioRequest, StdioServer } from '../../../src/stdio-types.ts';

const OURS = { PATH: '/bin', HOME: '/root', LANG: 'C', LC_TIME: 'C', TZ: 'UTC', TMPDIR: '/tmp', USER: 'me' };
const SECRETS = {
  AWS_SECRET_ACCESS_KEY: 's3cret',
  NODE_OPTIONS: '--require /x',
  LD_PRELOAD: '/x',
  LCX: '1',
  Path: '/x',
};

const servers = {
  memory: { command: 'memory-server', args: ['--x'], env: { KEY: 'env:MEMORY_KEY' } },
  shared: { command: './bin/server', cwd: 'data', stateless: true, env: { LANG: 'de', DEBUG: '1', X: 'cmd:x' } },
  lsp: { command: '/usr/bin/lsp', framing: 'content-length', initialize: { rootUri: null } },
  raw: { command: 'raw', initialize: 'none', idempotent: ['get*', 'list'], maxMessageBytes: 1_024 },
} satisfies Record<string, StdioServer>;

const spec = makeStdioSpec({ servers }, { ...OURS, ...SECRETS });
const parse = (request: Partial<StdioRequest>) => spec.parse({ server: 'memory', method: 'ping', ...request });

function refusal(request: Record<string, unknown>, of = spec): string {
  try {
    of.parse({ server: 'memory', method: 'ping', ...request } as StdioRequest);
  } catch (error) {
    const { code, outcome, message } = error as KeylaneError;
    expect(error).toBeInstanceOf(KeylaneError);
    expect(outcome).toBe('not_started');
    return `${code} ${message}`;
  }
  throw new Error('it was taken');
}

describe('a stdio request', () => {
  test('has its server as key, and goes with what the server is started from', () => {
    const { key, lane, target, request } = parse({ method: 'tools/call', params: { name: 'x' } });
    expect(key).toBe('memory');
    expect(lane).toMatch(/^memory [0-9a-f]{64}$/);
    expect(target).toEqual({
      name: 'memory',
      session: undefined,
      stateless: false,
      command: 'memory-server',
      args: ['--x'],
      cwd: process.cwd(),
      env: OURS,
      secrets: { KEY: 'env:MEMORY_KEY' },
      framing: 'lines',
      handshake: { kind: 'mcp', capabilities: {} },
      requestsPerProcess: 64,
      processes: 4,
      restartsPerMinute: 5,
      startTimeoutMs: undefined,
      idleMs: undefined,
      maxMessageBytes: 16_777_216,
    });
    expect(request).toEqual({ method: 'tools/call', params: '{"name":"x"}', notify: false });
  });

  test('says with what token its progress is to be told', () => {
    const tokenOf = (params: object) => parse({ params }).request.progressToken;
    expect(tokenOf({ _meta: { progressToken: 'a' } })).toBe('a');
    expect(tokenOf({ _meta: { progressToken: 7 } })).toBe(7);
    expect([{}, { _meta: null }, { _meta: { progressToken: {} } }, ['_meta']].map(tokenOf)).toEqual(
      Array(4).fill(undefined),
    );
  });

  test('gets of our variables those that it needs to run, and no other', () => {
    expect((parse({}).target as { env: object }).env).toEqual(OURS);
    expect(JSON.stringify(parse({}))).not.toContain('s3cret');
    const own = { ...OURS, LANG: 'de', DEBUG: '1' };
    expect((parse({ server: 'shared' }).target as { env: object }).env).toEqual(own);
  });

  test('with a session has a lane of its own, unless its server keeps none', () => {
    const [none, a, b] = [parse({}), parse({ session: 'a' }), parse({ session: 'b' })];
    expect(new Set([none.lane, a.lane, b.lane]).size).toBe(3);
    expect(parse({ session: 'a' }).lane).toBe(a.lane);
    expect(a.target).toMatchObject({ name: 'memory', session: 'a' });
    const shared = parse({ server: 'shared' });
    expect(parse({ server: 'shared', session: 'a' })).toEqual(shared);
  });

  test('reaches commands and folders wherever the process goes later', () => {
    expect(parse({ server: 'shared' }).target).toMatchObject({
      command: `${process.cwd()}/bin/server`,
      cwd: `${process.cwd()}/data`,
    });
  });

  test('names a server of the configuration, else it is told which one may be meant', () => {
    expect(refusal({ server: 'memry' })).toBe(
      'ERR_INPUT stdio.server: the configuration has no server "memry"; did you mean `memory`?',
    );
    expect(refusal({ server: 'toString' })).toBe(
      'ERR_INPUT stdio.server: the configuration has no server "toString"; known are memory, shared, lsp, raw',
    );
    expect(refusal({}, makeStdioSpec())).toContain('it has none at all: name it in `stdio.servers`');
  });

  test('cannot say what is run', () => {
    for (const field of ['command', 'args', 'env', 'cwd', 'framing', 'stateless'])
      expect(refusal({ [field]: 'x' })).toContain(`ERR_INPUT stdio.${field}: unknown field`);
    // Nor can a line of a batch's input.
    const line = { server: 'memory', method: 'ping' };
    expect(requestProblem('stdio', line)).toBeUndefined();
    expect(requestProblem('stdio', { ...line, command: 'sh' })).toContain('request.command: unknown field');
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['no server', { server: '' }, 'stdio.server: expected at least 1 characters'],
    ['a server that is no text', { server: 7 }, 'stdio.server: expected a string; got 7'],
    ['no method', { method: undefined }, 'stdio.method: expected a string; it is missing'],
    ['params that are a text', { params: 'x' }, 'stdio.params: expected an object or an array'],
    ['params that are null', { params: null }, 'stdio.params: expected an object or an array'],
    ['a function', { params: { a: [1, () => 1] } }, 'stdio.params.a[1]: JSON cannot carry a value that is a function'],
    ['a big number', { params: { a: 1n } }, 'stdio.params.a: JSON cannot carry a value that is a bigint'],
    ['no number', { params: [Number.NaN] }, 'stdio.params[0]: JSON cannot carry NaN'],
    ['a hole', { params: [undefined] }, 'stdio.params[0]: JSON cannot carry a value that is undefined'],
    ['a date', { params: { at: new Date(0) } }, 'stdio.params.at: expected plain values; got a Date'],
    ['bytes', { params: { at: Buffer.from('x') } }, 'stdio.params.at: expected plain values; got a Buffer'],
    ['a map', { params: new Map() }, 'stdio.params: expected plain values; got a Map'],
    ['a handshake', { server: 'lsp', method: 'initialize' }, 'stdio.method: keylane makes the handshake'],
    ['another handshake', { server: 'lsp', method: 'initialized' }, 'stdio.method: keylane makes the handshake'],
    ['another’s end', { method: 'notifications/cancelled' }, 'stdio.method: a request is called off by its own'],
    ['another’s end there', { server: 'raw', method: '$/cancelRequest' }, 'stdio.method: a request is called off'],
    ['a number as session', { session: 1 }, 'stdio.session: expected a string; got 1'],
    ['notify as text', { notify: 'yes' }, 'stdio.notify: expected a boolean'],
  ])('is refused with %s', (_what, request, says) => {
    expect(refusal(request)).toContain(`ERR_INPUT ${says}`);
  });

  test('is refused past the bounds of depth and of bytes', () => {
    let deep: unknown[] = [];
    for (let i = 0; i < 600; i++) deep = [deep];
    expect(refusal({ params: deep })).toContain('a cycle, or more than 512 levels');
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(refusal({ params: cycle })).toContain('stdio.params.self.self');
    expect(refusal({ server: 'raw', params: ['ä'.repeat(600)] })).toMatch(
      /^ERR_TOO_LARGE stdio\.params: 1204 bytes of JSON; at most 1024 are sent/,
    );
    expect(spec.parse({ server: 'raw', method: 'x', params: ['ä'.repeat(400)] }).key).toBe('raw');
  });

  test('may run twice where its method is one that only reads', () => {
    const twice = (server: string, method: string) => spec.parse({ server, method }).idempotent;
    expect(twice('memory', 'tools/list')).toBe(true);
    expect(twice('memory', 'tools/call')).toBeUndefined();
    expect(twice('raw', 'getAll')).toBe(true);
    expect(twice('raw', 'list')).toBe(true);
    expect(twice('raw', 'tools/list')).toBeUndefined();
    expect(twice('lsp', 'tools/list')).toBeUndefined();
  });

  test('may be a handshake where the server has none, or one whose answer is known', () => {
    for (const server of ['raw', 'memory'])
      expect(parse({ server, method: 'initialize' }).request.method).toBe('initialize');
  });

  test('cannot begin or end a process that others may use', () => {
    for (const method of ['initialize', 'initialized', 'shutdown', 'exit'])
      expect(() => parse({ server: 'lsp', method, notify: true })).toThrow(/stdio\.method: keylane (makes|says)/);
    expect(parse({ server: 'raw', method: 'exit' }).request.method).toBe('exit');
  });

  test('takes params of another realm, and leaves out what has no value', () => {
    expect(parse({ params: runInNewContext('({ a: [1, { b: null }] })') as object }).request.params).toBe(
      '{"a":[1,{"b":null}]}',
    );
    expect(parse({ params: { a: undefined, b: 1 } }).request.params).toBe('{"b":1}');
    expect(parse({}).request.params).toBeUndefined();
  });

  test('carries any JSON as it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue())), (params) => {
        expect(parse({ params }).request.params).toBe(JSON.stringify(params));
      }),
      { numRuns: 200 },
    );
  });

  test('that is read without the schema is one that the schema takes', () => {
    const value = fc.constantFrom(undefined, null, '', 'x', 0, true, [], {}, 'y'.repeat(129), 'y'.repeat(1_025));
    const field = fc.constantFrom('server', 'method', 'params', 'notify', 'session', 'command', 'Method');
    const usual = fc.record({ server: fc.constant('memory'), method: fc.constant('m') }, { requiredKeys: [] });
    const request = fc
      .tuple(usual, fc.dictionary(field, value, { maxKeys: 3 }))
      .map(([some, more]) => ({ ...some, ...more }));
    fc.assert(
      fc.property(request, (input) => {
        expect(plainRequest(input) !== undefined).toBe(stdioRequest.safeParse(input).success);
      }),
      { numRuns: 500 },
    );
  });
});

test('a server of the options is refused with what cannot be started', () => {
  const wrong = (server: object, name = 'a') => stdioOptions.safeParse({ servers: { [name]: server } }).success;
  expect(wrong({ command: 'x' })).toBe(true);
  expect(wrong({ command: '' })).toBe(false);
  expect(wrong({ command: 'a\0b' })).toBe(false);
  expect(wrong({ command: 'x', args: ['\0'] })).toBe(false);
  expect(wrong({ command: 'x', env: { 'A=B': '1' } })).toBe(false);
  expect(wrong({ command: 'x', shell: true })).toBe(false);
  expect(wrong({ command: 'x' }, 'a b')).toBe(false);
  expect(wrong({ command: 'x' }, '-rf')).toBe(false);
});

test('what is remembered is found again by params in another order, and by no others', () => {
  const spec = makeStdioSpec({ servers: { memory: { command: 'x' } } });
  const found = (params: object) =>
    JSON.stringify(spec.same?.(spec.parse({ server: 'memory', method: 'm', params }).request));
  const asked = { b: [{ y: 1, x: 'ä' }, 2], a: { d: null, c: 1.5 } };
  expect(found({ a: { c: 1.5, d: null }, b: [{ x: 'ä', y: 1 }, 2] })).toBe(found(asked));
  expect(found({ b: [2, { y: 1, x: 'ä' }], a: { d: null, c: 1.5 } })).not.toBe(found(asked));
  expect(found({ b: [{ y: 1, x: 'ä' }, 2], a: { d: null, c: '1.5' } })).not.toBe(found(asked));
  let deep: unknown = {};
  for (let i = 0; i < 500; i++) deep = { a: deep };
  expect(found({ deep })).toContain('{}');
});
