import { expect, test } from 'vitest';
import { KeylaneError } from '../../../../src/errors.js';
import { Groups } from '../../../../src/targets/inventory/groups.js';
import { readLiteral } from '../../../../src/targets/inventory/literal.js';
import { Mistakes } from '../../../../src/targets/inventory/mistakes.js';
import { parse } from '../../../../src/targets/inventory/parse.js';
import { resultOf } from '../../../../src/targets/inventory/result.js';
import type { Inventory, InventoryFormat } from '../../../../src/targets/inventory/types.js';
import { texts } from '../../../support/corpora.js';
import { cpuMs } from '../../../support/cpu-time.js';
import { mutated } from '../../../support/mutate.js';
import { seeded, seedsOf } from '../../../support/seed.js';

const CASES = process.env.KEYLANE_LONG ? 200_000 : 1_000;
/** An input of 64 KiB at most holds up its thread for no longer. */
const LONGEST_MS = 50;
/** Of YAML the most is the parser's own, and linear: 40 ms warm, 120 ms and more cold. */
const LONGEST_YAML_MS = 500;
/** Of one host that a pattern stands for, and of one entry that is left out. */
const MS_EACH = 0.02;

const INI = `# fleet
lone ansible_host=10.0.0.1 x='a b' y="[1, {'k': (2,)}]"
[web]
web-[01:09:2].example:2222 ansible_user=deploy # c
n[a:c][1:2] ansible_port=22
[::1]:22
[eu:children]
web
[eu:vars]
list = ['a', 1.5, True, None]
ansible_group_priority=3
`;
const YAML = `---
all:
  hosts: {lone: }
  vars: &v {x: 1, y: [a, {b: c}]}
  children:
    web:
      hosts:
        web-[01:09].example: {<<: *v, ansible_port: 22}
        '::1':
      children: {eu: {vars: {z: yes}}}
`;
const DYNAMIC = `{"_meta": {"hostvars": {"a": {"ansible_host": "::1", "x": [1, {"y": null}]}}}, "web": {"hosts": ["a", "b"], "vars": {"z": 1}, "children": ["eu"]}, "eu": ["c"]}`;
const PLAIN = `[{"name": "vm", "host": "10.0.0.1,10.0.0.2", "port": 22, "groups": ["a"], "labels": {"k": "v"}, "vars": {"x": 1}}, "root@web-[1-3]:22"]`;
const LIST = 'web-[01-20].example # c\nroot@db:2222, [::1]:22\n::1 x\n';

const FORMATS: Record<
  string,
  { format?: InventoryFormat; corpus: readonly Buffer[]; share?: number; longestMs?: number }
> = {
  INI: { format: 'ini', corpus: texts(INI) },
  YAML: { format: 'yaml', corpus: texts(YAML), share: 1 / 8, longestMs: LONGEST_YAML_MS },
  'dynamic JSON': { format: 'ansible-json', corpus: texts(DYNAMIC) },
  'JSON of any shape': { format: 'json', corpus: texts(PLAIN) },
  'a list': { format: 'list', corpus: texts(LIST) },
  'whatever it is': { corpus: texts(INI, YAML, DYNAMIC, PLAIN, LIST), share: 1 / 4, longestMs: LONGEST_YAML_MS },
};

/** An inventory, or the message with which it is refused. */
function load(
  text: string,
  format: InventoryFormat | undefined,
  skipBad: boolean,
  mistakes = new Mistakes(skipBad),
  groups = new Groups(mistakes),
): Inventory | string {
  try {
    parse(text, 'f', format, { map: { labels: 'labels' }, groups, mistakes });
    groups.settle();
    return resultOf(groups, mistakes.warnings);
  } catch (error) {
    if (error instanceof KeylaneError && /^ERR_(CONFIG|INPUT)/.test(error.code)) return error.message;
    throw error;
  }
}

test.each(seedsOf('inventory-fuzz').flatMap((seed) => Object.keys(FORMATS).map((name) => ({ name, seed }))))(
  'whatever comes, it is read or refused with a typed error, at once: $name (seed $seed)',
  ({ name, seed }) => {
    const random = seeded(seed);
    const { format, corpus, share = 1, longestMs = LONGEST_MS } = FORMATS[name]!;
    for (const whole of corpus) expect(load(`${whole}`, format, false)).toBeTypeOf('object');
    for (let left = CASES * share; left > 0; left--) {
      // What a few digits make much of takes its time, by design.
      const text = `${mutated(random, corpus)}`.replace(/\d{3,}/g, '99');
      const skipBad = random.below(2) === 0;
      const from = performance.now();
      let loaded: Inventory | string;
      const mistakes = new Mistakes(skipBad);
      const groups = new Groups(mistakes);
      try {
        loaded = load(text, format, skipBad, mistakes, groups);
      } catch (error) {
        throw new Error(`${Buffer.from(text).toString('base64')} made it throw`, { cause: error });
      }
      // Of a row of ranges with a mistake, all were made that are not there.
      const row = /(?:\[[^\]\n]*\][^\n]*){3}/.test(text) && mistakes.leftOut + Number(typeof loaded === 'string') > 0;
      const made = groups.hosts.size + mistakes.leftOut + (row ? 1_000_000 : 0);
      const most = longestMs + made * MS_EACH;
      const took = performance.now() - from;
      if (typeof loaded === 'object') expect(() => JSON.stringify(loaded)).not.toThrow();
      // biome-ignore lint/suspicious/noControlCharactersInRegex: no message moves a cursor.
      else expect(loaded).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/);
      // The machine is busy with other tests: what counts is the time that was ours.
      if (took <= most) continue;
      expect(
        cpuMs(() => void load(text, format, skipBad)),
        Buffer.from(text).toString('base64'),
      ).toBeLessThanOrEqual(most);
    }
  },
  Math.max(60_000, CASES * 10),
);

test.each<[string, () => unknown]>([
  [
    'a chain of groups',
    () =>
      load(
        Array.from({ length: 30_000 }, (_, n) => `[g${n}:children]\ng${n + 1}\n[g${n + 1}]\n`).join(''),
        'ini',
        false,
      ),
  ],
  [
    'many parents of many children',
    () => {
      const parents = Array.from({ length: 20_000 }, (_, n) => `[p${n}:children]\nm\n`).join('');
      const children = Array.from({ length: 20_000 }, (_, n) => `[c${n}]\nh${n}\n`).join('');
      const middle = `[m:children]\n${Array.from({ length: 20_000 }, (_, n) => `c${n}\n`).join('')}`;
      return load(parents + children + middle, 'ini', false);
    },
  ],
  [
    'variables of all, for each host',
    () => {
      const variables = Array.from({ length: 20_000 }, (_, n) => `v${n}=1\n`).join('');
      return load(`h[1:50000] own=1\n[all:vars]\n${variables}`, 'ini', false);
    },
  ],
  ['ranges of ranges', () => load(`h${'[0:99999]'.repeat(10_000)}`, 'ini', true)],
  ['the same hosts again', () => load('h[0:40000]\n'.repeat(50), 'ini', false)],
  ['brackets in a value', () => load(`h\n[all:vars]\nx=${'{['.repeat(500_000)}`, 'ini', false)],
  ['quotes in a value', () => load(`h\n[all:vars]\nx=${`"a" `.repeat(200_000)}`, 'ini', false)],
  ['a long word of a shell', () => load(`h x="${'a\\"'.repeat(300_000)}"`, 'ini', false)],
  [
    'deep JSON',
    () => load(`{"web": {"vars": {"x": ${'['.repeat(500_000)}${']'.repeat(500_000)}}}}`, 'ansible-json', false),
  ],
  [
    'deep groups in JSON',
    () => load(`${'{"a": {"children": '.repeat(20_000)}{}${'}}'.repeat(20_000)}`, undefined, true),
  ],
  ['one group in itself over and over', () => load('[a:children]\nb\n[b:children]\na\n'.repeat(20_000), 'ini', true)],
])('what is short to write is not long to read: %s', (_, read) => {
  expect(cpuMs(() => void read(), 1)).toBeLessThan(10_000);
});

test.each(seedsOf('inventory-fuzz'))(
  'a damaged value of an INI file is a value or a text, at once (seed %i)',
  (seed) => {
    const random = seeded(seed);
    const corpus = texts(
      `{'a': [1, (2,), -3.5e1], "b": r'x\\d' 'y', 3: {'z', None}} # c`,
      '[[[[1]]]], ({},)',
      `'\\x41\\u00e9\\101'`,
    );
    for (let left = CASES; left > 0; left--) {
      const text = `${mutated(random, corpus)}`;
      const from = performance.now();
      expect(() => JSON.stringify(readLiteral(text)), text).not.toThrow();
      if (performance.now() - from > LONGEST_MS)
        expect(
          cpuMs(() => void readLiteral(text)),
          text,
        ).toBeLessThan(LONGEST_MS);
    }
  },
);

test('100,000 hosts take a second or so, and ten times as many ten times as long', () => {
  const ini = (hosts: number) =>
    `[web]\n${Array.from({ length: hosts }, (_, n) => `web-${n}.example ansible_host=10.0.0.1 rack=r${n % 97}\n`).join('')}`;
  const [few, many] = [ini(10_000), ini(100_000)];
  const fewMs = cpuMs(() => void load(few, 'ini', false));
  const manyMs = cpuMs(() => void load(many, 'ini', false), 2);
  expect(manyMs).toBeLessThan(3_000);
  expect(manyMs).toBeLessThan(30 * fewMs);
});
