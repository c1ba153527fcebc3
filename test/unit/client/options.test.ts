import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type ClientOptions, resolveClientOptions } from '../../../src/client/options.ts';
import { Token } from '../../../src/client/token.ts';

const dir = mkdtempSync(join(tmpdir(), 'keylane-token-'));
afterAll(() => rmSync(dir, { recursive: true }));

const refused = (options: unknown) => {
  try {
    resolveClientOptions(options as ClientOptions);
  } catch (error) {
    return (error as Error).message;
  }
  return 'taken';
};
const url = 'http://127.0.0.1:7473';

test('a bad option is refused by its name', () => {
  const bad: [unknown, string][] = [
    [undefined, 'object'],
    [{}, '`url`'],
    [{ url: 'nonsense' }, '`url`'],
    [{ url: 'ftp://a/' }, '`url`'],
    [{ url: 'http://me:secret@127.0.0.1/' }, '`url`'],
    [{ url: 'http://127.0.0.1/?a=1' }, '`url`'],
    [{ url, tokn: 'a' }, '`tokn`'],
    [{ url, token: '' }, '`token`'],
    [{ url, token: 7 }, '`token`'],
    [{ url, timeoutMs: -1 }, '`timeoutMs`'],
    [{ url, connections: 0 }, '`connections`'],
    [{ url, connections: 1.5 }, '`connections`'],
    [{ url, maxAnswerBytes: 10 }, '`maxAnswerBytes`'],
    [{ url, ca: 7 }, '`ca`'],
    [{ url, ca: [] }, '`ca`'],
  ];
  for (const [options, name] of bad) expect(refused(options)).toContain(name);
  expect(refused({ url: 'http://me:secret@127.0.0.1/' })).not.toContain('secret');
});

test('a token goes unencrypted to this machine only, unless that is allowed', () => {
  for (const host of ['127.0.0.1', '127.9.8.7', '[::1]', 'localhost'])
    expect(refused({ url: `http://${host}:1/`, token: 'abc' })).toBe('taken');
  for (const host of ['10.0.0.1', 'example.com', '127.example.com', '[::2]']) {
    expect(refused({ url: `http://${host}:1/`, token: 'abc' })).toContain('unencrypted');
    expect(refused({ url: `http://${host}:1/` })).toBe('taken');
    expect(refused({ url: `https://${host}:1/`, token: 'abc' })).toBe('taken');
    expect(refused({ url: `http://${host}:1/`, token: 'abc', allowInsecure: true })).toBe('taken');
  }
});

test('a token is itself, a reference, or what a function gives', async () => {
  expect(await new Token(undefined).get()).toBeUndefined();
  expect(await new Token('abc').get()).toBe('abc');
  expect(await new Token(async () => 'late').get()).toBe('late');
  process.env.KEYLANE_TEST_TOKEN = 'from-env';
  expect(await new Token('env:KEYLANE_TEST_TOKEN').get()).toBe('from-env');
  const path = join(dir, 'token');
  writeFileSync(path, 'from-file\n');
  const token = new Token(`file:${path}`);
  expect(await token.get()).toBe('from-file');
  writeFileSync(path, 'changed\n');
  expect(await token.get()).toBe('from-file');
  token.refused();
  expect(await token.get()).toBe('changed');
});

test('an error about a token names where it is from, and not what it is', async () => {
  const path = join(dir, 'bad');
  writeFileSync(path, 'secret token\nwith lines\n');
  const tries: [ClientOptions['token'], string][] = [
    [`file:${path}`, path],
    [`file:${path}-none`, 'ENOENT'],
    ['env:KEYLANE_NO_SUCH', 'KEYLANE_NO_SUCH is not set'],
    [() => 'secret\r\nx: y', 'what `token` gives'],
    [
      () => {
        throw new Error('secret');
      },
      'function `token`',
    ],
  ];
  for (const [token, says] of tries) {
    const error = await Promise.resolve(new Token(token).get()).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(error?.message).toContain(says);
    expect(error?.message).not.toContain('secret');
    expect(error).toMatchObject({ code: 'ERR_CONFIG' });
  }
  expect(() => new Token('secret\r\nx: y')).toThrow(/`token` is no token/);
});
