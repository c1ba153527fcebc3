import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import { parseYaml, type YamlOptions } from '../../src/util/yaml.js';

const value = (text: string, options?: YamlOptions) => parseYaml(text, 'f.yaml', options).value;

function problem(text: string, options?: YamlOptions): string {
  try {
    parseYaml(text, 'f.yaml', options);
  } catch (error) {
    expect(error).toBeInstanceOf(KeylaneError);
    expect((error as KeylaneError).code).toBe('ERR_CONFIG');
    return (error as Error).message;
  }
  throw new Error('it was taken');
}

const lines = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

test('a document becomes plain values', () => {
  expect(value('a: 1\nb: [x, 2.5, true, null]\nc:\n  d: "e"\n')).toEqual({
    a: 1,
    b: ['x', 2.5, true, null],
    c: { d: 'e' },
  });
  expect(value('\ufeffa: 1\r\nb: 2\r\n')).toEqual({ a: 1, b: 2 });
  expect(value('')).toBeNull();
  expect(value('# nothing\n')).toBeNull();
});

test('each value knows its line, one that is not there the line of what should hold it', () => {
  const { lineOf } = parseYaml('a: 1\n\nb:\n  c:\n    - x\n    - {d: 2}\n', 'f.yaml');
  expect(lineOf([])).toBe(1);
  expect(lineOf(['b'])).toBe(3);
  expect(lineOf(['b', 'c'])).toBe(4);
  expect(lineOf(['b', 'c', 1])).toBe(6);
  expect(lineOf(['b', 'c', 1, 'd'])).toBe(6);
  expect(lineOf(['b', 'missing', 'below'])).toBe(3);
  expect(lineOf(['missing'])).toBe(1);
});

test('an alias is what its anchor names, with the lines of there', () => {
  const { value, lineOf } = parseYaml('a: &web\n  user: deploy\nb: *web\nc:\n  <<: *web\n  port: 1\n', 'f.yaml');
  expect(value).toEqual({ a: { user: 'deploy' }, b: { user: 'deploy' }, c: { user: 'deploy', port: 1 } });
  expect(lineOf(['b', 'user'])).toBe(2);
  expect(lineOf(['c', 'user'])).toBe(2);
  expect(lineOf(['c', 'port'])).toBe(6);
});

test('what is written goes before what is merged, and the first of several merged before the others', () => {
  expect(value('- &a {x: 1, y: 1}\n- &b {y: 2, z: 2}\n- {x: 9, <<: [*a, *b]}')).toEqual([
    { x: 1, y: 1 },
    { y: 2, z: 2 },
    { x: 9, y: 1, z: 2 },
  ]);
  expect(problem('a: {<<: 1}')).toBe('f.yaml:1: << takes a mapping, or a list of them');
});

test('a key that stands twice is refused by name and both lines', () => {
  expect(problem('a: 1\nb:\n  x: 1\n  x: 2\n')).toBe('f.yaml:4: "x" is there twice; it is in line 3 already');
  expect(problem('1: a\n1: b')).toContain('"1" is there twice');
});

test('keys are texts as they are written', () => {
  expect(value('01: a\nyes: b\n2.50: c', { dialect: '1.1' })).toEqual({ '01': 'a', yes: 'b', '2.50': 'c' });
  expect(problem('[a]: b')).toBe('f.yaml:1: a key must be a text');
  expect(problem(': b')).toBe('f.yaml:1: a key must be a text');
});

test('__proto__ is a name like any other', () => {
  const read = value('__proto__: {polluted: true}') as object;
  expect(Object.keys(read)).toEqual(['__proto__']);
  expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test('Ansible reads yes as true and times as texts', () => {
  expect(value('a: yes\nb: 2001-01-01', { dialect: '1.1' })).toEqual({ a: true, b: '2001-01-01' });
  expect(value('a: yes')).toEqual({ a: 'yes' });
});

test('tags are refused, but for those that are said to be texts', () => {
  for (const text of [
    'a: !!js/function x',
    'a: !!binary aGk=',
    'a: !own x',
    'a: !!set {x}',
    'a: !!python/object:os.system x',
  ])
    expect(problem(text)).toMatch(/^f\.yaml:1: has a tag/);
  expect(value('a: !vault |\n  $ANSIBLE\n  31', { textTags: ['!vault'] })).toEqual({ a: '$ANSIBLE\n31\n' });
});

test.each([
  ['a: [1, 2', 1],
  ['a: 1\nb: "x', 2],
  ['a: "x" y', 1],
  ['a:\n\tb: 1', 2],
  ['a: "\\q"', 1],
  ['a: *b', 1],
  ['a: &a [*a]', 1],
  ['a: b: c', 1],
  ['a: 1\n  b: 2\n', 1],
  ['a: 1\n---\nb: 2', 2],
  ['%BAD\n---\na: 1', 1],
  ['a: @x', 1],
  ['a: 1\n}', 2],
  ['- a\nb: 1', 2],
])('%j is refused with its line', (text, line) => {
  expect(problem(text)).toMatch(new RegExp(`^f\\.yaml:${line}: \\S.{9}`));
});

test('a message holds nothing of the values', () => {
  for (const text of [
    'password: "canary-7f',
    'password: canary-7f: x',
    'password: "canary-7f" canary-7f',
    'a: *canary-7f x: {',
    '- canary-7f\nb: c',
  ])
    expect(problem(text)).not.toContain('canary-7f');
});

test.each([
  ['brackets', '['.repeat(1_000_000)],
  ['mappings', '{a: '.repeat(20_000)],
  ['dashes in one line', `${'- '.repeat(20_000)}a`],
  ['question marks in one line', '? '.repeat(20_000)],
  ['ever deeper lines', lines(2_000, (i) => `${' '.repeat(i)}a:`)],
  ['ever deeper dashes', lines(2_000, (i) => `${' '.repeat(i)}-`)],
  ['aliases of aliases', `k0: &k0 [1]\n${lines(100, (i) => `k${i + 1}: &k${i + 1} [*k${i}]`)}`],
])('%s without end are refused, where the parser would end the process', (_, text) => {
  expect(problem(text)).toMatch(/64 levels/);
});

test('40 levels, and any number of brackets in a text or side by side, are fine', () => {
  expect(value(lines(40, (i) => `${' '.repeat(i)}a:`))).toHaveProperty('a'.repeat(40).split('').join('.'));
  expect(value(`a: "${'['.repeat(1_000)}"`)).toEqual({ a: '['.repeat(1_000) });
  expect(value(`[${'-1,'.repeat(1_000)}]`)).toHaveLength(1_000);
  expect(value(`a: |\n${lines(50, (i) => `${' '.repeat(i + 1)}[`)}`)).toHaveProperty('a');
  expect(value(lines(1_000, (i) => `- [[{a: ${i}}]]`))).toHaveLength(1_000);
});

test('aliases that come to more values than allowed are refused before they are used', () => {
  const names = 'abcdefghij';
  const bomb = [...'bcdefghij'].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${names[i]}`).join(',')}]`);
  expect(problem(`a: &a [1,1,1,1,1,1,1,1,1]\n${bomb.join('\n')}`)).toMatch(/^f\.yaml:\d+: comes to too many values/);
  expect(
    problem(`k0: &k0 {a: 1}\n${lines(60, (i) => `k${i + 1}: &k${i + 1} {<<: [${Array(50).fill(`*k${i}`)}]}`)}`),
  ).toContain('too many values');
  expect(problem(`[${'1,'.repeat(200)}]`, { mostValues: 100 })).toContain('too many values');
});

test('5,000 aliases of 5,000 anchors are fine', () => {
  const text = `${lines(5_000, (i) => `k${i}: &a${i} {x: ${i}}`)}\n${lines(5_000, (i) => `l${i}: *a${i}`)}`;
  expect(value(text)).toHaveProperty('l4999', { x: 4_999 });
});

test('what falls into too many pieces is refused where it does, before it is parsed', () => {
  expect(problem(`a: 1\n${'- 1\n'.repeat(2_000)}`, { mostLexemes: 1_000 })).toMatch(
    /^f\.yaml:\d+: has too many values by here/,
  );
  expect(value('- 1\n'.repeat(200), { mostLexemes: 1_100 })).toHaveLength(200);
});

test('a million mistakes cost no more than one', () => {
  const since = performance.now();
  expect(problem('}\n'.repeat(100_000))).toMatch(/^f\.yaml:1: /);
  expect(performance.now() - since).toBeLessThan(10_000);
  expect(Error.stackTraceLimit).toBeGreaterThan(0);
});

test('a text that is too long is refused unread', () => {
  expect(problem('a: 1'.padEnd(101), { mostCharacters: 100 })).toBe('f.yaml: is longer than 100 characters; split it');
});
