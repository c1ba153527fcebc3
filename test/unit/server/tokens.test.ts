import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { checkTokens } from '../../../src/server/access/token-options.ts';
import { Tokens } from '../../../src/server/access/tokens.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const FIRST = `klt_${'f'.repeat(43)}`;
const SECOND = 'second-token-of-the-tests-1';

const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const tokens = (given: unknown = []) => new Tokens(FIRST, checkTokens(given), new FakeClock());
const messageOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return `${(error as { code: string }).code} ${(error as Error).message}`;
  }
  return 'no error';
};

test('the bearer of the first token is admin, that of a known one goes by its name, and anybody else is nobody', () => {
  const known = tokens([{ name: 'ci', token: sha256(SECOND) }]);
  expect(known.identify(`Bearer ${FIRST}`)?.name).toBe('admin');
  expect(known.identify(`bearer   ${SECOND}`)?.name).toBe('ci');
  for (const header of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Basic ${FIRST}`,
    FIRST,
    `Bearer ${FIRST}x`,
    `Bearer ${FIRST.slice(0, -1)}`,
    `Bearer ${FIRST}, Bearer ${SECOND}`,
    `Bearer ${SECOND.toUpperCase()}`,
    `Bearer ${sha256(SECOND)}`,
    `Bearer ${createHash('sha256').update(SECOND).digest('hex')}`,
    `Bearer ${'x'.repeat(100_000)}`,
  ])
    expect(known.identify(header), String(header)).toBeUndefined();
});

test('of a thousand tokens each one is found', () => {
  const texts = Array.from({ length: 1_000 }, () => randomBytes(24).toString('hex'));
  const known = tokens(texts.map((text, index) => ({ name: `t${index}`, token: sha256(text) })));
  for (const [index, text] of texts.entries()) expect(known.identify(`Bearer ${text}`)?.name).toBe(`t${index}`);
});

test('a token is a reference or a digest, and never one in the open; no message shows what was given', () => {
  const said = messageOf(() => tokens([{ name: 'ci', token: SECOND }]));
  expect(said).toContain('ERR_CONFIG createService.tokens[0].token: expected `env:NAME`');
  expect(said).not.toContain(SECOND);
});

test('what a token refers to must be one word, not short, and of a file that others cannot read', () => {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-tokens-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'token');
  const ofFile = [{ name: 'ci', token: `file:${file}` }];
  expect(messageOf(() => tokens(ofFile))).toBe(`ERR_CONFIG token ci: file:${file}: cannot be read: ENOENT`);
  writeFileSync(file, `${SECOND}\n`, { mode: 0o640 });
  expect(tokens(ofFile).identify(`Bearer ${SECOND}`)?.name).toBe('ci');
  for (const mode of [0o604, 0o620, 0o602]) {
    chmodSync(file, mode);
    expect(messageOf(() => tokens(ofFile))).toContain('can be read by others, or written by its group');
  }
  chmodSync(file, 0o600);
  for (const [text, says] of [
    ['short', 'expected at least 24 characters'],
    ['two words of which nobody knows', 'expected one word'],
    ['', 'expected one word'],
  ]) {
    writeFileSync(file, text!);
    expect(messageOf(() => tokens(ofFile))).toContain(says);
  }
  process.env.KEYLANE_TEST_TOKEN = SECOND;
  onTestFinished(() => {
    delete process.env.KEYLANE_TEST_TOKEN;
  });
  expect(tokens([{ name: 'ci', token: 'env:KEYLANE_TEST_TOKEN' }]).identify(`Bearer ${SECOND}`)?.name).toBe('ci');
  expect(messageOf(() => tokens([{ name: 'ci', token: 'env:KEYLANE_NO_TOKEN' }]))).toContain('the variable is not set');
});

test('tokens that cannot all be meant are refused, and those of before stay', () => {
  const known = tokens([{ name: 'ci', token: sha256(SECOND) }]);
  const one = { name: 'a', token: sha256('another-token-of-the-tests') };
  for (const [given, says] of [
    [[one, one], 'tokens[1].name: is the name of two tokens'],
    [[{ ...one, name: 'admin' }], 'tokens[0].name: is the name of the token of the first start'],
    [[{ ...one, admin: true, hosts: ['web-*'] }], 'tokens[0].admin: does not go with `hosts`'],
    [[{ ...one, admin: true, readOnly: true }], 'tokens[0].readOnly: does not go with `admin`'],
    [[{ ...one, hosts: ['web-*'], files: true }], 'tokens[0].files: does not go with `hosts`'],
    [[{ ...one, host: ['web-*'] }], 'tokens[0].host: unknown field; did you mean `hosts`?'],
    [[{ ...one, quota: { perSecond: 0 } }], 'tokens[0].quota.perSecond: expected more than 0'],
  ] as const)
    expect(messageOf(() => known.replace(checkTokens(given)))).toContain(says);
  const twice = [one, { ...one, name: 'b' }];
  expect(messageOf(() => known.replace(checkTokens(twice)))).toBe(
    'ERR_CONFIG token b is the same as another one; each needs its own',
  );
  expect(known.identify(`Bearer ${SECOND}`)?.name).toBe('ci');
  known.replace(checkTokens([one]));
  expect(known.identify(`Bearer ${SECOND}`)).toBeUndefined();
});
