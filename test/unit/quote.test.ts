import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandLine, quoteArgv, scriptLine } from '../../src/util/quote.js';

// That the lines are exact in every shell is shown in test/driver/ssh-argv.test.ts, with the shells.

test.each([
  [['uptime'], "'uptime'"],
  [['echo', "it's", 'a b'], "'echo' 'it'\\''s' 'a b'"],
  [[''], "''"],
  [["'"], "\\'"],
  [['C:\\x!'], "'C:'\\\\'x'\\!"],
  [['if', '-n', '$HOME'], "'if' '-n' '$HOME'"],
])('%j is written %s for a POSIX shell', (words, line) => {
  expect(commandLine(words, 'posix')).toBe(line);
});

test('a line holds no newline, which csh would take for the end of a command even in quotes', () => {
  const word = fc.string({ unit: fc.constantFrom('a', '\n', "'", '\\', '!', '%') });
  fc.assert(fc.property(fc.array(word, { minLength: 1 }), (words) => !commandLine(words).includes('\n')));
  fc.assert(fc.property(word, (script) => !scriptLine(script).includes('\n')));
});

test('a line for a shell that is known to be one of POSIX keeps the newline, and needs no second shell', () => {
  expect(commandLine(['printf', 'a\nb'], 'posix')).toBe("'printf' 'a\nb'");
  expect(commandLine(['printf', 'a\nb'])).toMatch(/^exec sh -c /);
});

test('a program with the name of a word of fish is started by sh', () => {
  expect(commandLine(['time', 'true'])).toBe(`exec sh -c \\''time'\\'' '\\''true'\\'`);
  expect(commandLine(['timeout', '1', 'true'])).toBe("'timeout' '1' 'true'");
});

test('a script runs as it is, whatever it holds', () => {
  const script = 'set -- "$(printf \'%s\' "a\\tb")"\nprintf \'%s|\' "$1" \'c\\n\' "!"\n# %s\n';
  expect(execFileSync('sh', ['-c', scriptLine(script)], { encoding: 'utf8' })).toBe('a\\tb|c\\n|!|');
});

test('a word with NUL is refused', () => {
  expect(() => quoteArgv(['a\0b'])).toThrow('NUL');
  expect(() => commandLine(['a\0\nb'])).toThrow('NUL');
});
