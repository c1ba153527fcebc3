import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SecretFile } from '../../src/tokens/secret-file.ts';
import { type SharedRecord, SharedTokens, sealKey } from '../../src/tokens/shared-tokens.ts';

let folder: string;
let umask: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keylane-files-'));
  umask = process.umask();
});
afterEach(() => {
  process.umask(umask);
  rmSync(folder, { recursive: true });
});

const modeOf = (path: string) => statSync(path).mode & 0o7777;

describe('a shared token', () => {
  const key = sealKey('account', ['secret']);
  const record: SharedRecord = { obtainedAt: 5, token: { accessToken: 'C4nary-token', lifetimeMs: 7 } };
  const no = { code: 'ERR_AUTH_EXPIRED' as const, message: 'no', retryable: false, until: 9, times: 2 };

  test('is read by who has the secrets of the account, and by nobody else', async () => {
    const shared = new SharedTokens(folder);
    await shared.make();
    await shared.write('account', key, record);
    expect(await shared.read('account', key)).toEqual(record);
    expect(await shared.read('account', sealKey('account', ['another']))).toBeUndefined();
    expect(await shared.read('account', sealKey('account', ['secret', undefined]))).toBeUndefined();
    expect(await shared.read('account', sealKey('another', ['secret']))).toBeUndefined();
    expect(await shared.read('another', key)).toBeUndefined();
  });

  test('does not stand for that of another account, whoever renames its file', async () => {
    const shared = new SharedTokens(folder);
    await shared.make();
    await shared.write('account', key, record);
    writeFileSync(shared.pathOf('other'), readFileSync(shared.pathOf('account')));
    expect(await shared.read('other', key)).toBeUndefined();
  });

  test('shows nothing in its file, and is its owner’s alone whatever the umask', async () => {
    for (const mask of [0, 0o777]) {
      process.umask(mask);
      const shared = new SharedTokens(join(folder, `${mask}`));
      mkdirSync(join(folder, `${mask}`));
      chmodSync(join(folder, `${mask}`), 0o700);
      if (mask === 0) await shared.make();
      else {
        mkdirSync(shared.folder);
        chmodSync(shared.folder, 0o700);
      }
      await shared.write('account', key, { ...record, no, spent: true });
      process.umask(umask);
      expect(await shared.read('account', key)).toEqual({ ...record, no, spent: true });
      const [name] = readdirSync(shared.folder);
      expect(name).toMatch(/^[0-9a-f]{64}$/);
      const bytes = readFileSync(join(shared.folder, name!));
      for (const word of ['C4nary', 'access', 'token', 'account']) expect(bytes.includes(word)).toBe(false);
      expect([modeOf(shared.folder), modeOf(join(shared.folder, name!))]).toEqual([0o700, 0o600]);
    }
  });

  test('that was changed or cut in any byte is none', async () => {
    const shared = new SharedTokens(folder);
    await shared.make();
    await shared.write('account', key, record);
    const path = shared.pathOf('account');
    const bytes = readFileSync(path);
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i] = (changed[i] as number) ^ 1;
      writeFileSync(path, changed);
      expect(await shared.read('account', key)).toBeUndefined();
      writeFileSync(path, bytes.subarray(0, i));
      expect(await shared.read('account', key)).toBeUndefined();
    }
  });

  test.each([
    ['a link', (path: string) => symlinkSync(folder, path), 'is not a folder of this user'],
    ['a file', (path: string) => writeFileSync(path, ''), 'cannot be made: EEXIST'],
    ['open to others', (path: string) => mkdirSync(path, { mode: 0o755 }), 'is open to others; chmod 700 it'],
    [
      "another user's",
      (path: string) => {
        mkdirSync(path, { mode: 0o700 });
        chownSync(path, 12_345, 12_345);
      },
      'is not a folder of this user',
    ],
  ])('is kept in no folder that is %s', async (_, prepare, says) => {
    prepare(join(folder, 'tokens'));
    const error: unknown = await new SharedTokens(folder).make().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining(says) });
  });
});

describe("a secret's file", () => {
  test('gets a new secret with its mode, its owner and its line end', async () => {
    const path = join(folder, 'secret');
    for (const [was, is] of [
      ['old\n', 'new\n'],
      ['old', 'new'],
      ['old\r\n', 'new\n'],
    ] as const) {
      writeFileSync(path, was);
      chmodSync(path, 0o640);
      chownSync(path, 1_234, 5_678);
      expect(await (await SecretFile.open(path)).put('new')).toBe(true);
      expect(readFileSync(path, 'utf8')).toBe(is);
      const { mode, uid, gid } = statSync(path);
      expect([mode & 0o7777, uid, gid]).toEqual([0o640, 1_234, 5_678]);
    }
    expect(readdirSync(folder)).toEqual(['secret']);
  });

  test('has at any time one secret whole, the old or the new, however long they are', async () => {
    const path = join(folder, 'secret');
    writeFileSync(path, 'x'.repeat(10_000));
    const file = await SecretFile.open(path);
    expect(readFileSync(path, 'utf8')).toBe('x'.repeat(10_000));
    const put = file.put('y'.repeat(20_000));
    let done = false;
    const seen = new Set<string>();
    const watch = put.finally(() => {
      done = true;
    });
    while (!done) {
      seen.add(readFileSync(path, 'utf8'));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await watch;
    seen.add(readFileSync(path, 'utf8'));
    expect([...seen].map((text) => [...new Set(text)].join(''))).toEqual(['x', 'y']);
    expect(readFileSync(path, 'utf8')).toHaveLength(20_000);
  });

  test('takes room on the disk before anything is at stake, and gives it back', async () => {
    const path = join(folder, 'secret');
    writeFileSync(path, 'old');
    const file = await SecretFile.open(path);
    const [draft] = readdirSync(folder).filter((name) => name !== 'secret');
    expect(statSync(join(folder, draft!))).toMatchObject({ size: 4_096 });
    expect(modeOf(join(folder, draft!))).toBe(modeOf(path));
    await file.drop();
    expect(readdirSync(folder)).toEqual(['secret']);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  test('is made for its owner alone, in a folder for its owner alone, where there is none yet', async () => {
    const path = join(folder, 'logins', 'secret');
    await (await SecretFile.open(path)).put('new');
    expect(readFileSync(path, 'utf8')).toBe('new\n');
    expect([modeOf(path), modeOf(join(folder, 'logins'))]).toEqual([0o600, 0o700]);
  });

  test('is found through a link, which stays', async () => {
    mkdirSync(join(folder, 'real'));
    writeFileSync(join(folder, 'real', 'secret'), 'old');
    symlinkSync(join('real', 'secret'), join(folder, 'link'));
    await (await SecretFile.open(join(folder, 'link'))).put('new');
    expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder, 'real', 'secret'), 'utf8')).toBe('new');
    expect(readdirSync(join(folder, 'real'))).toEqual(['secret']);
  });

  test('with something else in it by then keeps that', async () => {
    const path = join(folder, 'secret');
    writeFileSync(path, 'old');
    const file = await SecretFile.open(path);
    writeFileSync(path, 'theirs');
    expect(await file.put('new')).toBe(false);
    expect(readFileSync(path, 'utf8')).toBe('theirs');
    expect(readdirSync(folder)).toEqual(['secret']);
  });

  test('overwrites the draft that a crash has left', async () => {
    const path = join(folder, 'secret');
    writeFileSync(path, 'old');
    writeFileSync(join(folder, '.secret.keylane-new'), 'torn');
    await (await SecretFile.open(path)).put('new');
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(readdirSync(folder)).toEqual(['secret']);
  });

  test('that cannot be written says so before', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(SecretFile.open(join(folder, 'file', 'secret'))).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(SecretFile.open('/proc/version')).rejects.toThrow();
  });
});
