import { expect, test } from 'vitest';
import type { HostKeys } from '../../../src/ssh-types.js';
import { type AcceptedKey, HostKey } from '../../../workers/drivers/ssh/host-key.js';
import { KnownHosts } from '../../../workers/drivers/ssh/known-hosts.js';

const part = (text: string) => {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
};
const keyOf = (type: string, name: string) => Buffer.concat([part(type), part(name.padEnd(32, '.'))]);
const lineOf = (host: string, key: Buffer, type = 'ssh-ed25519') => `${host} ${type} ${key.toString('base64')}\n`;

const RIGHT = keyOf('ssh-ed25519', 'right');
const WRONG = keyOf('ssh-ed25519', 'wrong');
const ECDSA = keyOf('ecdsa-sha2-nistp256', 'other type');

function made(hostKeys: HostKeys, text: string | undefined, port = 22): HostKey {
  return new HostKey(
    { host: 'a', port, hostKeys },
    [text === undefined ? undefined : new KnownHosts(text, '/kh')],
    '/kh',
  );
}

const NOTHING = lineOf('b', WRONG);
const SAME = lineOf('a', RIGHT);
const CHANGED = lineOf('a', WRONG);
const OTHER_TYPE = lineOf('a', ECDSA, 'ecdsa-sha2-nistp256');
const REVOKED = `${SAME}@revoked * ssh-ed25519 ${RIGHT.toString('base64')}\n`;

test.each<[string, string | undefined, Record<HostKeys, boolean>]>([
  ['no file', undefined, { strict: false, 'accept-new': true, ask: false, insecure: true }],
  ['a file without the host', NOTHING, { strict: false, 'accept-new': true, ask: false, insecure: true }],
  ['the key', SAME, { strict: true, 'accept-new': true, ask: true, insecure: true }],
  [
    'the key among others',
    CHANGED + OTHER_TYPE + SAME,
    { strict: true, 'accept-new': true, ask: true, insecure: true },
  ],
  ['another key', CHANGED, { strict: false, 'accept-new': false, ask: false, insecure: true }],
  ['a key of another type', OTHER_TYPE, { strict: false, 'accept-new': false, ask: false, insecure: true }],
  ['the key, revoked', REVOKED, { strict: false, 'accept-new': false, ask: false, insecure: false }],
])('with %s the answer is exactly true or exactly false', (_what, text, answers) => {
  for (const hostKeys of ['strict', 'accept-new', 'ask', 'insecure'] as const) {
    const hostKey = made(hostKeys, text);
    expect(hostKey.verify(RIGHT), hostKeys).toBe(answers[hostKeys]);
    expect(hostKey.refusal === undefined, hostKeys).toBe(answers[hostKeys]);
  }
});

test.each([
  undefined,
  null,
  0,
  '',
  'key',
  {},
  Promise.resolve(true),
  Buffer.alloc(0),
  Buffer.alloc(3),
  Buffer.from([0, 0, 0, 200]),
])('%s is no key: it is refused without a throw', (key) => {
  for (const hostKeys of ['strict', 'accept-new', 'insecure'] as const) {
    const hostKey = made(hostKeys, SAME);
    expect(hostKey.verify(key as Buffer)).toBe(false);
    expect(hostKey.refusal).toMatchObject({ code: 'ERR_HOST_KEY', retryable: false });
  }
});

test.each(['strict', 'accept-new', 'insecure'] as const)(
  'in the middle of a connection the accepted key alone will do (%s)',
  (hostKeys) => {
    const hostKey = made(hostKeys, SAME + lineOf('a', WRONG));
    expect(hostKey.verify(RIGHT)).toBe(true);
    const accepted = hostKey.accepted as AcceptedKey;
    expect(accepted.verify(RIGHT)).toBe(true);
    expect(accepted.refusal).toBeUndefined();
    expect(accepted.verify(WRONG)).toBe(false);
    expect(accepted.refusal?.message).toContain('middle of a connection');
  },
);

test('the key that was shown is kept, and not the buffer it came in', () => {
  const hostKey = made('strict', SAME);
  const shown = Buffer.from(RIGHT);
  expect(hostKey.verify(shown)).toBe(true);
  shown.fill(0);
  expect(hostKey.accepted?.verify(RIGHT)).toBe(true);
});

test('a new host gives the line to write, unless somebody wrote it meanwhile', () => {
  const hostKey = made('accept-new', '', 2222);
  expect(hostKey.verify(RIGHT)).toBe(true);
  expect(hostKey.isNew).toBe(true);
  expect(`${hostKey.recheck(undefined)}\n`).toBe(lineOf('[a]:2222', RIGHT));
  expect(hostKey.recheck(new KnownHosts(lineOf('[a]:2222', RIGHT), '/kh'))).toBeUndefined();
  expect(() => hostKey.recheck(new KnownHosts(lineOf('[a]:2222', WRONG), '/kh'))).toThrow(/not the known one/);
});

test('the key of a host without a port vouches for another port of which nothing is known', () => {
  expect(made('strict', SAME, 2222).verify(RIGHT)).toBe(true);
  expect(made('strict', CHANGED, 2222).verify(RIGHT)).toBe(false);
  expect(made('strict', SAME + lineOf('[a]:2222', WRONG), 2222).verify(RIGHT)).toBe(false);
});

test('the types of the known keys are told, those of revoked ones not', () => {
  expect([...made('strict', SAME + OTHER_TYPE).knownTypes]).toEqual(['ssh-ed25519', 'ecdsa-sha2-nistp256']);
  expect([...made('strict', `@revoked ${SAME}`).knownTypes]).toEqual([]);
});

test('a question is asked about a new key only, and only the key that was shown is approved', () => {
  expect(made('ask', SAME).question(RIGHT)).toBeUndefined();
  expect(made('ask', CHANGED).question(RIGHT)).toBeUndefined();
  expect(made('accept-new', NOTHING).question(RIGHT)).toBeUndefined();
  const hostKey = made('ask', NOTHING, 2222);
  expect(hostKey.question(RIGHT)).toEqual({
    name: '[a]:2222',
    type: 'ssh-ed25519',
    fingerprint: expect.stringMatching(/^SHA256:/),
    file: '/kh',
  });
  hostKey.approve(WRONG);
  expect(hostKey.verify(RIGHT)).toBe(false);
  hostKey.approve(RIGHT);
  expect(hostKey.verify(RIGHT)).toBe(true);
  expect(hostKey.isNew).toBe(true);
  expect(hostKey.question(RIGHT)).toBeUndefined();
});

test('a changed key that nobody minds is known to be changed', () => {
  const changed = made('insecure', CHANGED);
  expect(changed.verify(RIGHT)).toBe(true);
  expect(changed.isChanged).toBe(true);
  const same = made('insecure', SAME);
  expect(same.verify(RIGHT)).toBe(true);
  expect(same.isChanged).toBe(false);
});

test('an alias is looked up and written as it is, whatever the port', () => {
  const target = { host: 'a', port: 2222, hostKeys: 'accept-new', hostKeyAlias: 'b' } as const;
  expect(new HostKey(target, [new KnownHosts(lineOf('b', RIGHT), '/kh')], '/kh').verify(RIGHT)).toBe(true);
  const fresh = new HostKey(target, [undefined], '/kh');
  fresh.verify(RIGHT);
  expect(fresh.recheck(undefined)).toMatch(/^b ssh-ed25519 /);
});

test('a hashed name is found again by its host and by no other', () => {
  const hostKey = new HostKey(
    { host: 'a', port: 22, hostKeys: 'accept-new', hashKnownHosts: true },
    [undefined],
    '/kh',
  );
  hostKey.verify(RIGHT);
  const line = hostKey.recheck(undefined) as string;
  expect(line).toMatch(/^\|1\|[\w+/]+=\|[\w+/]+= ssh-ed25519 /);
  expect(new KnownHosts(line, '/kh').keysOf('a')).toHaveLength(1);
  expect(new KnownHosts(line, '/kh').keysOf('b')).toHaveLength(0);
});
