// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the shell writes its variables like this.
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openJobs } from '../../../../src/batch/input/open.js';
import { Template } from '../../../../src/batch/input/template.js';
import { KeylaneError } from '../../../../src/errors.js';
import { SEED } from '../../../support/seed.js';
import { all, refusal, written } from './scratch.js';

const fill = (template: string, values: Record<string, string>) =>
  new Template(template).fill((field) => values[field] as string);

test.each([
  ['systemctl restart {unit}', { unit: 'nginx' }, "systemctl restart 'nginx'"],
  ['cp {a} /srv/{a}.{b}', { a: "it's", b: '' }, "cp 'it'\\''s' /srv/'it'\\''s'.''"],
  ["awk '{{print $1}}' {f} && echo ${{HOME}}", { f: '-' }, "awk '{print $1}' '-' && echo ${HOME}"],
  ['echo "a # b" {x} # it is {{', { x: '$(id)' }, 'echo "a # b" \'$(id)\' # it is {'],
  ['cat <<< {x}', { x: '`id`' }, "cat <<< '`id`'"],
  ['{x}', { x: 'a b' }, "'a b'"],
])('%s', (template, values, command) => {
  expect(fill(template, values)).toBe(command);
});

test.each([
  ['echo "{x}"', 'at 7: `{x}` stands within "; it is quoted already, so leave the quotes out'],
  ["echo '{x}'", "stands within '"],
  ['echo `ls {x}`', 'stands within `'],
  ['echo "$(ls {x})"', 'stands within "'],
  ['echo \\{x}', 'stands behind \\'],
  ['echo ${HOME}', 'stands behind $; a brace of the shell is written twice: `{{`'],
  ["echo $'a\\'{x}'", "$' is not for all shells"],
  ["echo 'a\\'{x}", "\\' within '…' is a quote for some shells only"],
  ['true # {x}', 'stands in a comment'],
  ['cat <<E\n{x}\nE', 'stands behind <<, where quotes do not quote'],
  ['echo $(( {x} + 1 ))', 'stands behind ((, where quotes do not quote'],
  ['echo {', 'at 6: a `{` that begins no field'],
  ['echo {}', 'a `{` that begins no field'],
  ['echo a}', 'at 7: a `}` that ends no field'],
])('a template is refused where what comes in could run: %s', (template, says) => {
  const made = () => new Template(template);
  expect(made).toThrow(KeylaneError);
  expect(made).toThrow(says);
});

test('what comes in reaches the program as it is, byte for byte, wherever in a word it stands', () => {
  const odd = [...'\'"\\$`!#~*?[]{}()<>|&;= \t\n\r%^-ax0ü😀', '$(id)', "'\\''", '\\n', '\\0'];
  const character = fc.constantFrom(...odd);
  const value = fc.array(character, { maxLength: 12 }).map((parts) => parts.join(''));
  const values = fc.sample(fc.record({ a: value, b: value }), { seed: SEED | 0, numRuns: 150 });
  const template = new Template('printf "%s\\\\0" {a} x{b}y {b}{a};');
  const script = values.map((row) => template.fill((field) => row[field as 'a' | 'b']));
  // An `exec` ends the shell that it is in.
  const printed = execFileSync('sh', [], { input: script.map((line) => `(${line.replace(/;$/, '')})`).join('\n') });
  const expected = values.flatMap(({ a, b }) => [a, `x${b}y`, `${b}${a}`]);
  expect(printed.toString().split('\0').slice(0, -1)).toEqual(expected);
});

test('rows of CSV fill a template: the address goes into the request, all columns may be named in it', async () => {
  const text = 'id,host,port,user,unit,what to do\na,web-1,2222,root,nginx,re start\n,web-2,,,"a\nb",stop\n';
  const source = await openJobs(written('jobs.csv', text), { template: 'systemctl {what to do} {unit} # {{host}}' });
  expect(await all(source)).toEqual([
    {
      index: 0,
      id: 'a',
      request: { host: 'web-1', port: 2_222, user: 'root', command: "systemctl 're start' 'nginx' # {host}" },
    },
    { index: 1, request: { host: 'web-2', command: expect.stringMatching(/^exec sh -c .*systemctl/) } },
  ]);
  expect(source.identity.template).toBe('systemctl {what to do} {unit} # {{host}}');
});

test('lines of NDJSON fill it too: their values are texts, numbers, true and false', async () => {
  const rows = [
    { host: 'web-1', port: 22, n: 7, on: true, labels: ['x'] },
    { account: 'web', n: '', on: 'x', timeoutMs: 5 },
  ];
  const source = await openJobs(written('jobs', rows.map((row) => JSON.stringify(row)).join('\n')), {
    template: 'set {n} {on}',
  });
  expect(await all(source)).toEqual([
    { index: 0, labels: ['x'], request: { host: 'web-1', port: 22, command: "set '7' 'true'" } },
    { index: 1, timeoutMs: 5, request: { account: 'web', command: "set '' 'x'" } },
  ]);
});

test.each<[string, string, string]>([
  [
    'jobs.csv',
    'host,unt\na,b',
    'jobs.csv:1: there is no column `unit`, which the template names; did you mean `{unt}`?',
  ],
  ['jobs.csv', 'hst,unit\na,b', 'jobs.csv:1: there is no column `host`'],
  ['jobs.csv', 'host,unit\na,b\nc\n', 'jobs.csv:3: has 1 cell'],
  ['jobs.csv', 'host,unit\na,"b\0c"', 'jobs.csv:2: the column `unit` holds NUL'],
  ['jobs.csv', 'host,unit\n,b', 'jobs.csv:2: request.host: expected'],
  ['jobs.ndjson', '{"host":"a","unit":"b"}\n{"host":"a"}', 'jobs.ndjson:2: there is no column `unit`'],
  ['jobs.ndjson', '{"host":"a","unit":["b"]}', 'jobs.ndjson:1: there is no column `unit`'],
  ['jobs.ndjson', '{"host":"a","unit":"\\u0000"}', 'jobs.ndjson:1: the column `unit` holds NUL'],
  ['jobs.ndjson', '{"host":"-oProxyCommand=x","unit":"b"}', 'jobs.ndjson:1: request.host: '],
])('a row that does not fill it is named by its line: %s %j', async (name, text, says) => {
  expect(await refusal(openJobs(written(name, text), { template: 'echo {unit}' }))).toContain(says);
});

test('a template goes with ssh alone', async () => {
  expect(await refusal(openJobs('jobs.csv', { template: 'x', driver: 'echo' }))).toContain(
    '`template` is a command of ssh',
  );
});
