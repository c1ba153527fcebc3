import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { firstToken } from '../../../src/server/access/token-file.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-token-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
});

test('the first start makes a token of 256 random bits that its user alone can read, and each start after it takes it', () => {
  const umask = process.umask(0);
  onTestFinished(() => void process.umask(umask));
  const { token, file } = firstToken(dir);
  expect(token).toMatch(/^klt_[A-Za-z0-9_-]{43}$/);
  expect(Buffer.from(token.slice(4), 'base64url')).toHaveLength(32);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(dir)).toEqual(['serve.token']);
  expect(firstToken(dir).token).toBe(token);
});

test.each([0o640, 0o604, 0o620, 0o660, 0o644])('a token file of mode %o is refused: it may be known', (mode) => {
  const { file } = firstToken(dir);
  chmodSync(file, mode);
  expect(() => firstToken(dir)).toThrow(/serve\.token can be read or written by others.*remove it/);
});

test('what is no token file is not taken for one', () => {
  const file = join(dir, 'serve.token');
  const other = join(dir, 'other');
  writeFileSync(other, `klt_${'a'.repeat(43)}\n`, { mode: 0o600 });
  symlinkSync(other, file);
  expect(() => firstToken(dir)).toThrow('is a symbolic link');
  rmSync(file);
  for (const text of ['', 'guessed', `klt_${'a'.repeat(42)}`, `klt_${'a'.repeat(43)} and more`]) {
    writeFileSync(file, text, { mode: 0o600 });
    expect(() => firstToken(dir)).toThrow('holds no token of keylane; remove it');
  }
});
