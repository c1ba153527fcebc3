import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine, type StdioRequest, type StdioServer } from 'keylane';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure } from '../support/engine.js';
import { program } from '../support/stdio.js';

const folder = mkdtempSync(join(tmpdir(), 'keylane-bad-'));
const plain = join(folder, 'plain.txt');
const noInterpreter = join(folder, 'no-interpreter');
const hostile = (...words: string[]): StdioServer => ({
  command: process.execPath,
  args: [program('hostile-jsonrpc.mjs'), ...words],
});

const servers: Record<string, StdioServer> = {
  good: hostile(),
  missing: { command: 'keylane-no-such-command' },
  nowhere: { ...hostile(), cwd: join(folder, 'no-such-folder') },
  plain: { command: plain },
  folder: { command: folder },
  interpreter: { command: noInterpreter },
  exits: hostile('exit'),
  true: { command: 'true' },
  silent: { ...hostile('silent'), startTimeoutMs: 400 },
  deaf: { ...hostile('deaf'), startTimeoutMs: 400 },
  // It has to come to print it first, on a busy machine too.
  garbage: { ...hostile('garbage'), startTimeoutMs: 2_000 },
  endless: { ...hostile('endless'), maxMessageBytes: 100_000 },
  old: hostile('old-protocol'),
  refuses: hostile('refuses'),
  lsp: { ...hostile('content-length'), startTimeoutMs: 400 },
  secret: { ...hostile(), env: { TOKEN: 'env:KEYLANE_TEST_NOT_SET' } },
  file: { ...hostile(), env: { TOKEN: `file:${join(folder, 'no-such-file')}` } },
  command: { ...hostile(), env: { TOKEN: 'cmd:echo canary' } },
  leaky: {
    command: '/bin/sh',
    args: ['-c', 'echo "no access with $TOKEN" >&2; exit 9'],
    env: { TOKEN: 'env:STDIO_BAD' },
  },
};

let engine: Engine;
beforeAll(async () => {
  writeFileSync(plain, 'no program');
  writeFileSync(noInterpreter, '#!/no/such/interpreter\n');
  chmodSync(noInterpreter, 0o755);
  mkdirSync(join(folder, 'x'));
  process.env.STDIO_BAD = 'canary-1';
  engine = await createEngine({ shards: 1, stdio: { servers }, limits: { breaker: false } });
});
afterAll(async () => {
  await engine.close();
  delete process.env.STDIO_BAD;
  rmSync(folder, { recursive: true });
});

const ask = (server: string, method = 'echo', params?: object): StdioRequest => ({
  ...{ server, method },
  ...(params && { params }),
});

describe('a bad request', () => {
  test.each<[string, StdioRequest, string, RegExp]>([
    [
      'names a server that is nearly known',
      ask('god'),
      'ERR_INPUT',
      /stdio\.server: .* no server "god"; did you mean `good`/,
    ],
    ['names a server that is not known', ask('x/../good'), 'ERR_INPUT', /no server "x\/..\/good"; known are good, /],
    [
      'says what is to be run',
      { ...ask('good'), command: 'sh' } as StdioRequest,
      'ERR_INPUT',
      /stdio\.command: unknown/,
    ],
    ['has no method', ask('good', ''), 'ERR_INPUT', /stdio\.method: expected at least 1/],
    [
      'has params that are no JSON',
      ask('good', 'echo', { a: new Date() }),
      'ERR_INPUT',
      /stdio\.params\.a: expected plain/,
    ],
    [
      'is past 16 MiB',
      ask('good', 'echo', ['x'.repeat(17 << 20)]),
      'ERR_TOO_LARGE',
      /at most 16777216 .*maxMessageBytes/,
    ],
  ])('%s: nothing is started, and it is told what to do', async (_, request, code, says) => {
    const { outcome, error, shard } = await engine.result('stdio', request);
    expect({ outcome, code: error?.code, shard }).toEqual({ outcome: 'not_started', code, shard: -1 });
    expect(error?.message).toMatch(says);
  });
});

describe('a bad server', () => {
  test.each<[string, string, RegExp]>([
    ['missing', 'ERR_SPAWN', /no command "keylane-no-such-command".*: write its whole path, or add its folder to PATH/],
    ['nowhere', 'ERR_SPAWN', /no folder ".*no-such-folder"/],
    ['plain', 'ERR_SPAWN', /"\/.*plain\.txt" could not be started: .*EACCES.*chmod/],
    ['folder', 'ERR_SPAWN', /could not be started: .*EACCES/],
    ['interpreter', 'ERR_SPAWN', /no command ".*no-interpreter"/],
    ['exits', 'ERR_SPAWN', /ended with exit code 3; stderr: hostile: cannot find its database/],
    ['true', 'ERR_SPAWN', /ended with exit code 0/],
    [
      'silent',
      'ERR_SPAWN',
      /has not answered `initialize` within \d+ ms \(`startTimeoutMs` of the server, else `limits.connectTimeoutMs`\)/,
    ],
    ['deaf', 'ERR_SPAWN', /has not answered `initialize` within \d+ ms/],
    ['garbage', 'ERR_SPAWN', /`initialize` within \d+ ms.*stdout, no message: this is not JSON/],
    ['endless', 'ERR_SPAWN', /wrote .*100000 bytes/],
    ['old', 'ERR_SPAWN', /speaks MCP "1999-12-31"; keylane speaks 2024-11-05, .*2025-11-25: install another/],
    ['refuses', 'ERR_SPAWN', /refused `initialize`: -32603 no licence was found/],
    ['lsp', 'ERR_SPAWN', /has not answered `initialize` within \d+ ms/],
    [
      'secret',
      'ERR_INPUT',
      /stdio\.servers\.secret\.env\.TOKEN: env:KEYLANE_TEST_NOT_SET: the variable KEYLANE_TEST_NOT_SET is not set/,
    ],
    ['file', 'ERR_INPUT', /file:.*no-such-file: cannot be read: ENOENT/],
    ['command', 'ERR_INPUT', /cmd:echo canary: is run only where .* `allowCommands: true`/],
  ])('%s: %s, with its name, the step and why', async (server, code, says) => {
    const { outcome, error } = await engine.result('stdio', ask(server));
    expect({ outcome, code: error?.code, key: error?.key }).toEqual({ outcome: 'not_started', code, key: server });
    expect(error?.message).toMatch(says);
    expect(error?.message).toContain(server);
  });

  test('gives away no secret that it was given, not even by what it writes', async () => {
    const error = await failure(engine.run('stdio', ask('leaky')));
    expect(error.message).toContain('exit code 9; stderr: no access with ');
    expect(error.message).not.toContain('canary');
  });

  test.each<[string, object | undefined, string, RegExp]>([
    [
      'exit',
      { code: 5 },
      'ERR_CONNECTION_LOST unknown',
      /^good: the process ended with exit code 5; stderr: hostile: exits/,
    ],
    ['kill', undefined, 'ERR_CONNECTION_LOST unknown', /^good: the process ended with SIGKILL/],
    ['half', undefined, 'ERR_CONNECTION_LOST unknown', /^good: the process ended with SIGKILL/],
    ['neither', undefined, 'ERR_PROTOCOL unknown', /neither a result nor an error/],
    ['closeStdout', undefined, 'ERR_CONNECTION_LOST unknown', /closed its standard output/],
  ])(
    'that ends at %s, or answers what is no answer: it is told what it said, and that it may have run',
    async (method, params, verdict, says) => {
      const error = await failure(engine.run('stdio', { ...ask('good', method, params), session: method }));
      expect(`${error.code} ${error.outcome}`).toBe(verdict);
      expect(error.key).toBe('good');
      expect(error.message).toMatch(says);
    },
  );

  test.each<[string, object | undefined, unknown]>([
    ['garbage', undefined, 'after garbage'],
    ['wrongId', undefined, 'mine'],
    ['twice', undefined, 'first'],
    ['batch', undefined, 'in a batch'],
    ['nul', undefined, 'after NUL'],
    ['blank', undefined, 'after blank lines'],
    ['bytewise', { text: 'äöü€😀' }, 'äöü€😀'],
    ['stderr', { bytes: 4 << 20 }, 4 << 20],
    ['notify', { times: 10 }, 10],
    ['huge', { bytes: 4 << 20 }, 'x'.repeat(4 << 20)],
  ])('that says odd things at %s is understood all the same', async (method, params, result) => {
    expect((await engine.run('stdio', ask('good', method, params))).result).toEqual(result);
  });

  test('that never answers costs its caller the time that it gave', async () => {
    const error = await failure(engine.run('stdio', ask('good', 'silence'), { timeoutMs: 1_000 }));
    expect(`${error.code} ${error.outcome}`).toBe('ERR_TIMEOUT unknown');
    const { result } = await engine.run('stdio', ask('good', 'about'));
    expect((result as { canceled: unknown[] }).canceled).toHaveLength(1);
  });
});
