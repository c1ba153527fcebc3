import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Answers } from '../../src/host/answers.ts';
import type { Questions } from '../../src/types.ts';
import { type Deferred, deferred } from '../../src/util/deferred.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';

type Addresses = Questions['lookup']['answer'];

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keylane-answers-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

const answers = () => new Answers(new FakeClock(), undefined, () => Promise.reject(new Error('not asked for')));
const secret = (about: string) => answers().answer({ kind: 'ask', ask: 1, question: 'secret', about });

describe('a secret', () => {
  test('env: is the value of the variable, an empty one too', async () => {
    vi.stubEnv('KEYLANE_TEST', 's3cret:x');
    expect(await secret('env:KEYLANE_TEST')).toBe('s3cret:x');
    vi.stubEnv('KEYLANE_TEST', '');
    expect(await secret('env:KEYLANE_TEST')).toBe('');
  });

  test('file: is the content without its last line end, and no other', async () => {
    const file = join(folder, 'with:colon');
    for (const [content, value] of [
      ['s3cret', 's3cret'],
      ['s3cret\n', 's3cret'],
      ['s3cret\r\n', 's3cret'],
      [' a\nb \n\n', ' a\nb \n'],
    ] as const) {
      await writeFile(file, content);
      expect(await secret(`file:${file}`)).toBe(value);
    }
  });

  test('a variable that is not set, and a file that cannot be read, are bad input that names the reference', async () => {
    await expect(secret('env:KEYLANE_UNSET')).rejects.toMatchObject({
      code: 'ERR_INPUT',
      message: 'env:KEYLANE_UNSET: the variable KEYLANE_UNSET is not set',
    });
    const missing = `file:${join(folder, 'missing')}`;
    await expect(secret(missing)).rejects.toMatchObject({
      code: 'ERR_INPUT',
      message: `${missing}: cannot be read: ENOENT`,
    });
    await expect(secret(`file:${folder}`)).rejects.toMatchObject({ message: expect.stringContaining('EISDIR') });
  });
});

describe('a host name', () => {
  function setUp() {
    const clock = new FakeClock();
    const asked: { host: string; answer: Deferred<Addresses> }[] = [];
    const all = new Answers(clock, undefined, (host) => {
      const answer = deferred<Addresses>();
      asked.push({ host, answer });
      return answer.promise;
    });
    const lookup = (about: string) => all.answer({ kind: 'ask', ask: 1, question: 'lookup', about });
    return { clock, asked, lookup, hosts: () => asked.map(({ host }) => host) };
  }
  const here: Addresses = [{ address: '127.0.0.1', family: 4 }];

  test('those who ask at once share one look-up', async () => {
    const { asked, lookup, clock } = setUp();
    const all = Array.from({ length: 100 }, () => lookup('a'));
    expect(asked).toHaveLength(1);
    asked[0]?.answer.resolve(here);
    expect(await Promise.all(all)).toEqual(new Array(100).fill(here));
    expect(clock.pending).toBe(0);
  });

  test('an answer is kept for 60 s from when it came', async () => {
    const { clock, asked, lookup } = setUp();
    const first = lookup('a');
    clock.advance(5_000);
    asked[0]?.answer.resolve(here);
    await first;
    clock.advance(59_999);
    expect(await lookup('a')).toEqual(here);
    expect(asked).toHaveLength(1);
    clock.advance(1);
    void lookup('a');
    expect(asked).toHaveLength(2);
  });

  test('two names are looked up at once, the others wait in the order they came', async () => {
    const { asked, lookup, hosts } = setUp();
    const all = ['a', 'b', 'c', 'd'].map(lookup);
    await settled();
    expect(hosts()).toEqual(['a', 'b']);
    asked[1]?.answer.resolve(here);
    await settled();
    expect(hosts()).toEqual(['a', 'b', 'c']);
    asked[0]?.answer.resolve(here);
    await settled();
    expect(hosts()).toEqual(['a', 'b', 'c', 'd']);
    for (const { answer } of asked) answer.resolve(here);
    await Promise.all(all);
    void lookup('e');
    void lookup('f');
    void lookup('g');
    await settled();
    expect(hosts().slice(4)).toEqual(['e', 'f']);
  });

  test("a failure is everybody's who waits, makes room, and is not kept", async () => {
    const { asked, lookup, hosts } = setUp();
    const both = Promise.allSettled([lookup('a'), lookup('a')]);
    asked[0]?.answer.reject(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }));
    const refusal = {
      code: 'ERR_DNS',
      message: expect.stringMatching(/^a cannot be looked up: .*ENOTFOUND/),
      retryable: true,
    };
    for (const one of await both) expect(one).toMatchObject({ status: 'rejected', reason: refusal });
    const again = lookup('a');
    void lookup('b');
    expect(hosts()).toEqual(['a', 'a', 'b']);
    asked[1]?.answer.resolve(here);
    expect(await again).toEqual(here);
  });

  test('no answer for 10 s is ERR_DNS, and the next in line is looked up', async () => {
    const { clock, asked, lookup, hosts } = setUp();
    const silent = [lookup('a'), lookup('b')].map((one) => expect(one).rejects.toMatchObject({ code: 'ERR_DNS' }));
    const next = lookup('c');
    await clock.advanceSettling(9_999);
    expect(hosts()).toEqual(['a', 'b']);
    await clock.advanceSettling(1);
    await Promise.all(silent);
    expect(hosts()).toEqual(['a', 'b', 'c']);
    asked[2]?.answer.resolve(here);
    expect(await next).toEqual(here);
  });
});

describe('a line of known_hosts', () => {
  const add = (file: string, line: string) =>
    answers().answer({ kind: 'ask', ask: 1, question: 'known_hosts', about: { file, line } });
  const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

  test('makes the file for its owner alone, in a folder for its owner alone', async () => {
    const file = join(folder, '.ssh', 'known_hosts');
    expect(await add(file, 'web ssh-ed25519 AAAA')).toBeNull();
    expect(await readFile(file, 'utf8')).toBe('web ssh-ed25519 AAAA\n');
    expect(await modeOf(file)).toBe(0o600);
    expect(await modeOf(join(folder, '.ssh'))).toBe(0o700);
  });

  test('goes behind what is there, and leaves the modes as they are', async () => {
    await mkdir(join(folder, 'open'), { mode: 0o755 });
    const file = join(folder, 'open', 'known_hosts');
    await writeFile(file, 'one\n', { mode: 0o644 });
    await add(file, 'two');
    expect(await readFile(file, 'utf8')).toBe('one\ntwo\n');
    expect([await modeOf(file), await modeOf(join(folder, 'open'))]).toEqual([0o644, 0o755]);
  });

  test('does not grow onto a last line without its end', async () => {
    const file = join(folder, 'known_hosts');
    await writeFile(file, 'one');
    await add(file, 'two');
    expect(await readFile(file, 'utf8')).toBe('one\ntwo\n');
  });

  test('stays whole beside 50 others that are added at once', async () => {
    const file = join(folder, 'known_hosts');
    const lines = Array.from({ length: 50 }, (_, i) => `host-${i} ssh-ed25519 ${'A'.repeat(400)}`);
    await Promise.all(lines.map((line) => add(file, line)));
    const written = (await readFile(file, 'utf8')).split('\n').filter(Boolean);
    expect(written.sort()).toEqual(lines.sort());
  });

  test('that cannot be written is refused with the file and the reason', async () => {
    const file = join(folder, 'file', 'known_hosts');
    await writeFile(join(folder, 'file'), '');
    await expect(add(file, 'line')).rejects.toMatchObject({
      code: 'ERR_HOST_KEY',
      message: expect.stringMatching(/known_hosts: (ENOTDIR|EEXIST)$/),
    });
  });
});

test('one question at a time is asked of a person, and each once for all who wait', async () => {
  const clock = new FakeClock();
  const shown: string[] = [];
  const answer: ((yes: unknown) => void)[] = [];
  const all = new Answers(clock, ({ name }) => {
    shown.push(name);
    return new Promise((resolve) => answer.push(resolve as (yes: unknown) => void));
  });
  const ask = (name: string) =>
    all.answer({
      kind: 'ask',
      ask: 1,
      question: 'host_key',
      about: { name, type: 't', fingerprint: 'f', file: '/kh' },
    });
  const [first, again, second] = [ask('a'), ask('a'), ask('b')];
  const late = second.then(
    (value) => value,
    (error: Error) => error.message,
  );
  await settled();
  expect(shown).toHaveLength(1);
  answer[0]?.('yes');
  expect(await Promise.all([first, again])).toEqual([false, false]);
  await settled();
  expect(shown).toHaveLength(2);
  expect(shown).toEqual(['a', 'b']);
  clock.advance(120_000);
  expect(await late).toContain('nobody answered');
});

test('without anybody to ask the question is refused', async () => {
  const about = { name: 'a', type: 't', fingerprint: 'f', file: '/kh' };
  await expect(
    new Answers(new FakeClock()).answer({ kind: 'ask', ask: 1, question: 'host_key', about }),
  ).rejects.toThrow('nobody to ask');
});
