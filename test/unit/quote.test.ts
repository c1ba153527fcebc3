import { execFileSync, spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quoteArgv } from '../../src/util/quote.js';

/** Characters that some shell somewhere treats specially, and some that take several bytes. */
const NASTY = [...`'"\`$\\!#&*?[]{}()<>|;~=%^ \t\n\r\u0001\u007f-aZ0é€😀`];
const word = fc.oneof(
  fc.string({ unit: fc.constantFrom(...NASTY), maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll('\0', '')),
  fc.constantFrom('', '-n', '--', 'A=b', 'if', '!', '{', "'", "''", '~', '*', '$(id)', '`id`', 'a\nb', '\\', '%s'),
);
const shells = ['sh', 'bash', 'dash', 'zsh', 'busybox'].filter(
  (shell) => spawnSync(shell, ['-c', ':'], { stdio: 'ignore' }).error === undefined,
);
const CASES = 500;

test('sh and bash are here to be tried', () => {
  expect(shells).toEqual(expect.arrayContaining(['sh', 'bash']));
});

test.each(shells)('%s gives a program exactly the words that were quoted', (shell) => {
  const cases = fc.sample(fc.array(word, { minLength: 1, maxLength: 5 }), CASES);
  // One shell for all cases: printf prints each word, then NUL; a line of its own ends each case.
  const script = cases.map((words) => `printf '%s\\0' ${quoteArgv(words)}; printf 'end\\0'`).join('\n');
  const argv = shell === 'busybox' ? ['sh', '-s'] : ['-s'];
  const printed = execFileSync(shell, argv, { input: script, maxBuffer: 64 << 20 });
  expect(printed.toString('utf8').split('\0').slice(0, -1)).toEqual(cases.flatMap((words) => [...words, 'end']));
});

test.each(shells)('%s takes the first word as the name of a program, whatever it looks like', (shell) => {
  for (const name of ['if', '!', '{', 'A=b', 'time', '~', '*']) {
    const argv = shell === 'busybox' ? ['sh', '-c'] : ['-c'];
    const ran = spawnSync(shell, [...argv, `PATH=/nowhere; ${quoteArgv([name])}`], { encoding: 'utf8' });
    expect(ran.status ?? ran.error, name).toBe(127);
  }
});

test('a word with NUL is refused', () => {
  expect(() => quoteArgv(['a\0b'])).toThrow('NUL');
});
