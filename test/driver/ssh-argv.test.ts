import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ExecOrder } from '../../src/specs/ssh.js';
import { makeSshSpec } from '../../src/specs/ssh.js';
import type { SshRequest } from '../../src/ssh-types.js';
import { lookOf } from '../../workers/drivers/ssh/detached.js';
import { Sweep } from '../../workers/drivers/ssh/sweep.js';
import { seeded } from '../support/seed.js';
import { SshHarness } from '../support/ssh-harness.js';
import { type Sshd, startSshd } from '../support/sshd.js';

/** sshd gives a command to `SHELL -c`, and so do these tests: with the line that keylane would have sent. */
const POSIX = [['sh'], ['dash'], ['bash'], ['zsh'], ['mksh'], ['ksh93'], ['busybox', 'sh']];
const FISH = [['fish']];
const CSH = [['tcsh'], ['bsd-csh']];
const CASES = process.env.KEYLANE_LONG ? 10_000 : 150;
const LONGEST_MS = process.env.KEYLANE_LONG ? 600_000 : 60_000;

/** Characters that some shell somewhere treats specially, and some that take several bytes. */
const NASTY = [...`'"\`$\\!#&*?[]{}()<>|;~=%^@:,+- \t\n\r\u0001\u001b\u007f\u0080\u00a0\ufdd0\uf600aZ0é€😀`];
const WORD = fc.oneof(
  fc.string({ unit: fc.constantFrom(...NASTY), maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll('\0', '')),
  fc.constantFrom('', '-n', '--', 'A=b', 'if', '!', '!!', '!$', '\\!', '{', "'", "''", '~', '*', '$(echo no)', '`id`'),
  fc.constantFrom('\n', 'a\necho no\nb', "'\necho no\n'", '\\\n', '\\', '\\\\n', '\\0101', '\\c', '%s', '%n', '^a^b^'),
);

/** Many argv, from the seed of this run. Call it inside of a test. */
function someWords(count: number): string[][] {
  const seed = seeded().below(2 ** 31);
  return fc.sample(fc.array(WORD, { minLength: 1, maxLength: 5 }), { numRuns: count, seed });
}

/** Every character of a UTF-8 text that is not NUL: all of the first plane, and every 997th beyond. */
function everyCharacter(): string[][] {
  const characters: string[] = [];
  for (let code = 1; code < 0x11_0000; code += code < 0x1_0000 ? 1 : 997)
    if (code < 0xd800 || code > 0xdfff) characters.push(String.fromCodePoint(code));
  const words: string[][] = [];
  for (let at = 0; at < characters.length; at += 400)
    words.push(characters.slice(at, at + 400).map((one, i) => (i % 2 ? `${one}a` : `b${one}`)));
  return words;
}

function lineOf(request: Partial<SshRequest>): string {
  return (makeSshSpec().parse({ host: 'any', ...request } as SshRequest).request as ExecOrder).command;
}

/** Runs each line as `SHELL -c LINE`, one after the other; what they print, on stderr too. csh closes what it may have open. */
function run(shell: readonly string[], lines: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const argv = ['-c', 'ulimit -n 64; exec 2>&1 xargs -0 -n 1 -- "$@" -c', 'sh', ...shell];
  const options = { input: lines.join('\0'), maxBuffer: 1 << 30, env: { PATH: process.env.PATH, HOME: '/', ...env } };
  const ran = spawnSync('sh', argv, options);
  if (ran.error) throw ran.error;
  return ran.stdout.toString('utf8');
}

/** The words that a program got, each argv ended by the word `end`. */
function printed(shell: readonly string[], cases: readonly (readonly string[])[], request: Partial<SshRequest> = {}) {
  const lines = cases.map((words) => lineOf({ ...request, argv: ['printf', '%s\\0', ...words, 'end'] }));
  return run(shell, lines).split('\0').slice(0, -1);
}

const flat = (cases: readonly (readonly string[])[]) => cases.flatMap((words) => [...words, 'end']);

describe.each([...POSIX, ...FISH, ...CSH].map((shell) => [shell.join(' '), shell] as const))('%s', (_, shell) => {
  test(
    `gives a program exactly the words of ${CASES} argv`,
    () => {
      const cases = someWords(CASES);
      expect(printed(shell, cases)).toEqual(flat(cases));
    },
    LONGEST_MS,
  );

  test('gives a program every character there is, but NUL', () => {
    const cases = everyCharacter();
    expect(printed(shell, cases)).toEqual(flat(cases));
  });

  test('takes the first word as the name of a program, whatever it looks like', () => {
    const names = ['if', '!', '{', '[[', 'A=b', '*', '@', '-x', '#', 'and', 'not', 'foreach', 'function', 'a\necho no'];
    const wrong = names.filter((name) => {
      const said = run(shell, [lineOf({ argv: [name, 'no'] })]);
      return !/not found|no such|unknown command|missing \]|xargs/i.test(said) || /^no$/m.test(said);
    });
    expect(wrong).toEqual([]);
  });

  test('runs the scripts of our own, of several lines', () => {
    expect(run(shell, [new Sweep().script])).toBe('killed\n');
    const { command } = lookOf({ op: 'poll', id: 'nobody', maxOutputBytes: 0, encoding: 'utf8' });
    expect(run(shell, [command])).toBe('none\n');
  });
});

test.each(POSIX)('told that it is one of POSIX, %s still gives a program exactly the words', (...shell) => {
  const cases = someWords(100);
  expect(printed(shell, cases, { shell: 'posix' })).toEqual(flat(cases));
});

test.each([...POSIX, ...FISH])('a command whose tree may be killed is marked in %s', (...shell) => {
  expect(run(shell, [new Sweep().mark('env')])).toMatch(/^KEYLANE_RUN=/m);
});

test.each(CSH)('where no mark can be made, in %s, nobody says that all was killed', (shell) => {
  expect(run([shell], [new Sweep().script], { SHELL: `/bin/${shell}` })).toBe('unknown\n');
});

test.each([...FISH, ...CSH].flat())('what is too long for %s runs nothing, or all of it', (shell) => {
  const words = ['x'.repeat(20_000), `\n${'echo no\n'.repeat(2_000)}`];
  for (const word of words) {
    const said = run([shell], [lineOf({ argv: ['printf', '%s', word] })]);
    expect(said === word || /^Word too long/.test(said), said.slice(0, 100)).toBe(true);
  }
});

describe('through a real sshd', () => {
  const ssh = new SshHarness();
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(async () => {
    await ssh[Symbol.asyncDispose]();
    await sshd.stop();
  });

  test('a program gets exactly the words', async () => {
    const { port, user, identity, knownHosts } = sshd;
    const host = await ssh.open({ host: '127.0.0.1', port, user, identity, knownHosts });
    const cases = [...someWords(40), ['a\necho no\nb', '', "'"]];
    for (const words of cases) {
      const { stdout } = await host.run({ argv: ['printf', '%s\\0', ...words] });
      expect((stdout as string).split('\0').slice(0, -1)).toEqual(words);
    }
  });
});
