import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { fingerprint, KnownHosts, nameOf } from '../../../workers/drivers/ssh/known-hosts.js';
import { KnownHostsFiles } from '../../../workers/drivers/ssh/known-hosts-file.js';
import { cpuMs } from '../../support/cpu-time.js';

const dir = mkdtempSync(join(tmpdir(), 'keylane-known-hosts-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** Each starts a process. */
const FILES = process.env.KEYLANE_LONG ? 2_000 : 200;

/** Public keys as a line has them, by number. */
const KEYS = Array.from({ length: 3 }, newKey);

function newKey(): string {
  const raw = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const part = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  return `ssh-ed25519 ${Buffer.concat([part(Buffer.from('ssh-ed25519')), part(raw)]).toString('base64')}`;
}

const HOSTS = ['web-1', 'web-13', 'db.example', '10.0.0.1', 'other'];
const names = fc.constantFrom(
  ...HOSTS,
  ...HOSTS.map((host) => `[${host}]:2222`),
  'web-*',
  'web-?',
  '*',
  '!web-13',
  '[web-*]:2222',
  'WEB-1',
  '*.example',
  '!*.example',
);
const line = fc
  .record({
    mark: fc.constantFrom('', '', '', '@revoked ', '@cert-authority ', '@nonsense '),
    names: fc.array(names, { minLength: 1, maxLength: 3 }),
    key: fc.constantFrom(...KEYS),
    rest: fc.constantFrom('', ' a comment', '\tme@here', '\r'),
    lead: fc.constantFrom('', ' ', '\t'),
  })
  .map(({ mark, names, key, rest, lead }) => `${lead}${mark}${names.join(',')} ${key}${rest}`);
const noise = fc.constantFrom(
  '',
  '# web-1 a comment',
  '   ',
  'web-1',
  'web-1 ssh-ed25519',
  '|1|bad|bad ssh-ed25519 AAAA',
);
const file = fc.array(fc.oneof({ weight: 4, arbitrary: line }, { weight: 1, arbitrary: noise }), { maxLength: 8 });

/** Lines (from 1) that ssh-keygen finds for a name, with their marks. */
function found(path: string, name: string): string[] {
  const { stdout } = spawnSync('ssh-keygen', ['-F', name, '-f', path], { encoding: 'utf8' });
  return [...stdout.matchAll(/^# Host .* found: line (\d+) ?(\w*)/gm)]
    .filter((match) => match[2] !== 'CA')
    .map((match) => `${match[1]} ${match[2]}`.trim());
}

test('the keys of a host are those that ssh-keygen -F finds', () => {
  const path = join(dir, 'generated');
  fc.assert(
    fc.property(file, fc.constantFrom(...HOSTS), fc.constantFrom(22, 2222), (lines, host, port) => {
      const text = lines.map((one) => `${one}\n`).join('');
      writeFileSync(path, text);
      const name = nameOf(host, port);
      const ours = new KnownHosts(text, path)
        .keysOf(name)
        .map(({ line, revoked }) => (revoked ? `${line} REVOKED` : `${line}`));
      expect(ours).toEqual(found(path, name));
    }),
    { numRuns: FILES },
  );
}, 600_000);

test('a line whose key is none is left out', () => {
  const [key = ''] = KEYS;
  const lines = [
    'a ssh-ed25519 !!!!',
    'a ssh-ed25519 AAAA',
    `a ssh-rsa ${key.split(' ')[1]}`,
    'a',
    'a ssh-ed25519',
    `a ${key}`,
  ];
  expect(new KnownHosts(lines.join('\n'), 'f').keysOf('a').map(({ line }) => line)).toEqual([6]);
});

test('hashed entries are found by name, as ssh-keygen -H writes them', () => {
  const path = join(dir, 'hashed');
  const plain = [...HOSTS, ...HOSTS.map((host) => nameOf(host, 2222))];
  writeFileSync(path, plain.map((name, i) => `${name} ${KEYS[i % KEYS.length]}\n`).join(''));
  execFileSync('ssh-keygen', ['-H', '-f', path], { stdio: 'ignore' });
  const text = readFileSync(path, 'utf8');
  expect(text).not.toContain('web');
  const hosts = new KnownHosts(text, path);
  for (const [i, name] of plain.entries()) {
    expect(hosts.keysOf(name).map(({ line }) => line)).toEqual([i + 1]);
  }
  expect(hosts.keysOf('web-2')).toEqual([]);
});

test('a fingerprint is what ssh-keygen prints', () => {
  const [key = ''] = KEYS;
  const printed = execFileSync('ssh-keygen', ['-l', '-f', '-'], { input: key, encoding: 'utf8' });
  expect(printed).toContain(` ${fingerprint(Buffer.from(key.split(' ')[1] as string, 'base64'))} `);
});

test('a look-up costs the same in a long file as in a short one', () => {
  const fileOf = (lines: number) =>
    new KnownHosts(Array.from({ length: lines }, (_, i) => `host-${i} ${KEYS[i % 3]}\n`).join(''), 'f');
  const lookUps = (hosts: KnownHosts, lines: number) =>
    cpuMs(() => {
      for (let i = 0; i < 20_000; i++) {
        if (hosts.keysOf(`host-${i % lines}`)[0]?.line !== (i % lines) + 1) throw new Error(`host-${i % lines}`);
      }
    });
  const [short, long] = [fileOf(200), fileOf(20_000)];
  // One that reads all lines takes 100 times longer.
  expect(lookUps(long, 20_000)).toBeLessThan(20 * lookUps(short, 200) + 50);
});

test('a file is parsed once, its end when it grew, and all of it when it was changed', async () => {
  const path = join(dir, 'changing');
  const files = new KnownHostsFiles();
  expect(await files.read(path)).toBeUndefined();
  writeFileSync(path, `a ${KEYS[0]}\n`);
  const first = await files.read(path);
  expect(await files.read(path)).toBe(first);
  expect(first?.keysOf('b')).toEqual([]);
  appendFileSync(path, `b ${KEYS[1]}\n`);
  const grown = await files.read(path);
  expect(grown).toBe(first);
  expect(grown?.keysOf('b').map(({ line }) => line)).toEqual([2]);
  expect(grown?.keysOf('a').map(({ line }) => line)).toEqual([1]);
  writeFileSync(path, `b ${KEYS[1]}\na ${KEYS[2]}\nc ${KEYS[2]}\n`);
  utimesSync(path, 1, 1);
  const changed = await files.read(path);
  expect(changed).not.toBe(first);
  expect(changed?.keysOf('a').map(({ line }) => line)).toEqual([2]);
});

test('a file that cannot be read is an error, and not an empty file', async () => {
  await expect(new KnownHostsFiles().read(dir)).rejects.toMatchObject({
    code: 'ERR_HOST_KEY',
    message: expect.stringContaining(dir),
  });
});
