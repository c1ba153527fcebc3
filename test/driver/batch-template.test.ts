import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { Template } from '../../src/batch/input/template.js';
import { type Random, seeded } from '../support/seed.js';

/** sshd gives a command to `SHELL -c`, and so does this test. */
const SHELLS = [
  ...[['sh'], ['dash'], ['bash'], ['zsh'], ['mksh'], ['ksh93'], ['busybox', 'sh']],
  ...[['fish'], ['tcsh'], ['bsd-csh']],
];
const CASES = process.env.KEYLANE_LONG ? 2_000 : 25;

/** What some shell somewhere takes for more than a character. */
const ODD = [
  ...`'"\`$\\!#&*?[]{}()<>|;~=%^@:,+- \t\n\r\u0001\u007f\u00a0a0é😀`,
  '$(echo no)',
  '`echo no`',
  '\necho no\n',
  "'\\''",
  '\\n',
  '!!',
  '%s',
  '-n',
];

function value(random: Random): string {
  return Array.from({ length: random.below(8) }, () => random.pick(ODD)).join('');
}

/** Of a word, whole and in part, and behind what is quoted before it. */
const TEMPLATE = new Template(`env printf '%s\\0' {a} x{b}y --n={b}{a} "q q"{a} a\\ a{b}`);
const words = ({ a, b }: Record<'a' | 'b', string>) => [a, `x${b}y`, `--n=${b}${a}`, `q q${a}`, `a a${b}`];

test.each(SHELLS)('what fills a template reaches the program as it is, in %s', { timeout: 600_000 }, (...shell) => {
  const random = seeded();
  const rows = Array.from({ length: CASES }, () => ({ a: value(random), b: value(random) }));
  const lines = rows.map((row) => TEMPLATE.fill((field) => row[field as 'a' | 'b']));
  const argv = ['-c', 'ulimit -n 64; exec 2>&1 xargs -0 -n 1 -- "$@" -c', 'sh', ...shell.filter(Boolean)];
  const options = { input: lines.join('\0'), maxBuffer: 1 << 30, env: { PATH: process.env.PATH, HOME: '/' } };
  const ran = spawnSync('sh', argv, options);
  expect(ran.stdout.toString().split('\0').slice(0, -1)).toEqual(rows.flatMap(words));
});
