import { expect, test } from 'vitest';
import { HostPatterns } from '../../../src/server/access/host-pattern.ts';
import { globMatches } from '../../../src/util/glob.ts';
import { seeded } from '../../support/seed.ts';

const has = (pattern: string, host: string, port?: number, user?: string) =>
  new HostPatterns([pattern]).hasHost({ host, port, user });

test('a pattern names hosts however they are written, and no host beside them', () => {
  for (const [pattern, host] of [
    ['web-*', 'web-1'],
    ['web-*', 'WEB-1'],
    ['WEB-?', 'web-1'],
    ['*.example', 'a.example'],
    ['**.example', 'a.b.example'],
    ['10.0.0.*', '10.0.0.7'],
    ['::1', '[::1]'],
    ['[::1]', '0:0:0:0:0:0:0:1'],
    ['2001:db8::1', '2001:0DB8:0:0::0001'],
    ['**', 'whatever.example'],
  ] as const)
    expect(has(pattern, host), `${pattern} ${host}`).toBe(true);
  for (const [pattern, host] of [
    ['web-*', 'web-1.elsewhere.example'],
    ['web-*', 'web'],
    ['web-*', 'my-web-1'],
    ['web-?', 'web-12'],
    ['*.example', 'a.b.example'],
    ['*.example', 'example'],
    ['*.example', 'a.example.'],
    ['10.0.0.*', '10.0.0.7.elsewhere.example'],
    ['10.0.0.*', '10.0.0.0x7'],
    ['10.0.0.*', '10.0.0.07'],
    ['10.0.0.*', '10.0.0.256'],
    ['*', '2130706433'],
    ['*', '0x7f000001'],
    ['**', '127.1'],
    ['**', '0177.0.0.1'],
    ['127.0.0.1', '::ffff:127.0.0.1'],
    ['**', 'fe80::1%eth0'],
    ['web-*', 'web-1:22'],
    ['web-*', 'root@web-1'],
    ['web-*', 'web-1 elsewhere'],
    ['web-*', 'web-1,elsewhere'],
    ['web-*', 'web-1\0'],
    ['web-*', 'web-1\nProxyJump elsewhere'],
    ['wor*', 'wor\u212a'],
    ['**', 'web\u30021.example'],
    ['**', ''],
    ['**', '.'],
  ] as const)
    expect(has(pattern, host), `${pattern} ${host}`).toBe(false);
});

test('another port than the usual one, and a user, are for whoever has them in a pattern', () => {
  expect(has('web-1', 'web-1', 22)).toBe(true);
  expect(has('web-1', 'web-1', 2222)).toBe(false);
  expect(has('web-1:2222', 'web-1', 2222)).toBe(true);
  expect(has('web-1:2222', 'web-1', 22)).toBe(false);
  expect(has('web-1:*', 'web-1', 4)).toBe(true);
  expect(has('[::1]:2222', '::1', 2222)).toBe(true);
  expect(has('::1', '::1', 2222)).toBe(false);
  expect(has('deploy@web-*', 'web-1', undefined, 'deploy')).toBe(true);
  expect(has('deploy@web-*', 'web-1', undefined, 'root')).toBe(false);
  expect(has('deploy@web-*', 'web-1')).toBe(false);
  expect(has('dep*@web-*:2222', 'web-1', 2222, 'deploy')).toBe(true);
});

test('keys are seen by whoever has their host', () => {
  const patterns = new HostPatterns(['web-*', '10.0.0.1:2222', 'tenant-a/*']);
  for (const key of ['web-1:22', '10.0.0.1:2222', 'tenant-a/x', 'web-7']) expect(patterns.hasKey(key), key).toBe(true);
  for (const key of ['db-1:22', 'web-1:2222', '10.0.0.1:22', 'tenant-b/x', 'web-1.x:22', '[::1]:22'])
    expect(patterns.hasKey(key), key).toBe(false);
});

test('a glob means what the same regular expression means', () => {
  const random = seeded();
  const made = (signs: readonly string[], most: number) =>
    Array.from({ length: random.below(most) }, () => random.pick(signs)).join('');
  for (let round = 0; round < 20_000; round++) {
    const pattern = made(['a', 'b', '.', '*', '**', '?'], 7);
    const text = made(['a', 'b', '.'], 9);
    const same = pattern.replace(/\*{2,}|[*?.]/g, (sign) =>
      sign === '*' ? '[^.]*' : sign === '?' ? '[^.]' : sign === '.' ? '\\.' : '.*',
    );
    const found = new HostPatterns([pattern]).hasName(text);
    expect(found, `${pattern} of ${text}`).toBe(new RegExp(`^${same}$`).test(text));
  }
});

test('whatever key a token sees, one of its globs matches it', () => {
  const texts = [
    'web-*',
    'db-**.example',
    '10.0.0.?',
    'deploy@Host-1:2222',
    '[2001:DB8::1]:22',
    '2001:db8::2',
    '*',
    'Shard-A',
  ];
  const keys = ['web-1:22', 'db-1.eu.example:22', '10.0.0.7:22', 'host-1:2222', '[2001:db8::1]:22', '[2001:db8::2]:22'];
  for (const text of texts)
    for (const key of [...keys, 'Shard-A', 'web-1', 'x']) {
      const patterns = new HostPatterns([text]);
      if (!patterns.hasKey(key)) continue;
      expect([text, key, patterns.keyGlobs.some((glob) => globMatches(glob, key))]).toEqual([text, key, true]);
    }
  expect(new HostPatterns(['web-*', 'db-**.example']).keyGlobs).toEqual(['*web-*', '*db-*.example*']);
});
