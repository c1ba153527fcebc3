import type { Random } from '../../../support/seed.js';

/** Random inventories of Ansible, for the comparison with it. Hosts and groups never share a name: to Ansible they would be one. */
const GROUPS = ['web', 'db', 'eu', 'us', 'prod', 'stage', 'rack_1', 'z9'];
const HOSTS = [
  'web-1',
  'web-[01:05]',
  'web-[1:9:4].example.com',
  'n[a:c]',
  'n[A:C][1:2]',
  'r[8:11]-[x:z:2]',
  'db1.example.com',
  '10.0.0.[1:3]',
  '127.0.0.1',
  'host_x',
  'a.b.c',
  '_u',
];
const PORTS = ['', '', '', ':22', ':2222'];
const NAMES = [
  'ansible_host',
  'ansible_port',
  'ansible_user',
  'ansible_ssh_private_key_file',
  'color',
  'size',
  'list',
  'flag',
];
const SCALARS = [
  'red',
  'Blue green',
  '1',
  '-7',
  '3.5',
  '0x1f',
  '007',
  '1_000',
  'true',
  'True',
  'False',
  'None',
  'null',
  '',
];
const LITERALS = [
  ...SCALARS,
  "'quoted'",
  '"quoted"',
  '"a" "b"',
  "'it''s'",
  String.raw`'tab\there\n\x41\u00e9\101\q'`,
  String.raw`r'\d+'`,
  "b'bytes'",
  "u'x'",
  "ur'x'",
  "f'x'",
  "'open",
  "'''three'''",
  '[1, 2, 3]',
  '[1, 2,]',
  '[1,,2]',
  '[]',
  '()',
  '(1)',
  '(1,)',
  '1, 2',
  '1,',
  "{'a': 1, 'b': [True, None]}",
  '{"a": {"b": {}}}',
  '{1: 2}',
  '{1.: 2, .5: {-0.0: 3, 1e15: [-0.0, -0]}}',
  '{1e16: 1, 1e-5: 2, 0.0001: 3, -1.25e22: 4, 5e-324: 5, 123456789012345678.: 6}',
  '{True: 1, None: 2, False: 3}',
  "{1: 'a', '1': 'b', True: 'c', 1.0: 'd'}",
  '{}',
  "{'a': 1,}",
  '{a: 1}',
  '8080 # a comment',
  'word # no comment',
  "'x' # comment",
  '#hash',
  '10.0.0.1',
  '1.5e3',
  '1e',
  '5.',
  '.5',
  '..',
  '1..2',
  '00',
  '0o17',
  '0b101',
  '09',
  '1__0',
  '-  5',
  '+5',
  '--5',
  '1+2',
  '1 2',
  '2024-01-02',
  '2024-11-12',
  '{{ template }}',
  'a=b',
  'yes',
  'True-ish',
  'x y = z',
  'http://x/#frag',
  "[1, 'a', (2, 3)]",
  "['a' 'b']",
  '[[[[1]]]]',
  '(1',
  ')',
  "{'a'}{",
  'not',
  'lambda: 1',
  'é',
  '"é"',
  '٣',
];
/** As a word of a line of hosts: in the shell's quotes. */
const WORDS = [
  'red',
  '1',
  '"two words"',
  "'two words'",
  `"'1'"`,
  `'"1"'`,
  '"[1, 2]"',
  `"{'a': 1}"`,
  String.raw`a\ b`,
  String.raw`"a\"b"`,
  String.raw`"a\nb"`,
  String.raw`'a\nb'`,
  'a"b c"d',
  'x=y',
  '""',
  'True',
  '3.5',
  '1,2',
];
const ACCESS: Readonly<Record<string, readonly string[]>> = {
  ansible_host: ['10.1.2.3', 'real.example.com', '"::1"'],
  ansible_port: ['22', '2200'],
  ansible_user: ['root', 'deploy'],
  ansible_ssh_private_key_file: ['/k/id', '~/.ssh/id'],
};

export function randomIni(random: Random): string {
  const lines: string[] = [];
  const declared = GROUPS.filter(() => random.below(3) > 0);
  const section = (heading: string, most: number, line: () => string) => {
    if (heading !== '') lines.push(heading + random.pick(['', '', ' # why', '  ']));
    for (let left = random.below(most); left > 0; left--)
      lines.push(random.pick(['', '', '  ']) + line(), ...random.pick([[], [], ['', '; note']]));
  };
  section('', 4, () => iniHost(random));
  const sections: (() => void)[] = declared.map((name) => () => section(`[${name}]`, 5, () => iniHost(random)));
  for (const [at, name] of declared.entries()) {
    if (random.below(2) === 0) sections.push(() => section(`[${name}:vars]`, 5, () => iniVariable(random)));
    // Towards the later alone: no circles.
    const later = declared.slice(at + 1);
    if (later.length > 0 && random.below(2) === 0)
      sections.push(() => section(`[${name}:children]`, 4, () => random.pick(later)));
  }
  sections.push(() => section('[all:vars]', 4, () => iniVariable(random)));
  if (random.below(3) === 0) sections.push(() => section('[all]', 3, () => iniHost(random)));
  if (random.below(3) === 0) sections.push(() => section('[ungrouped]', 3, () => iniHost(random)));
  while (sections.length > 0) sections.splice(random.below(sections.length), 1)[0]?.();
  return `${lines.join(random.pick(['\n', '\r\n']))}\n`;
}

function iniHost(random: Random): string {
  const words = Array.from({ length: random.below(4) }, () => {
    const name = random.pick(NAMES);
    return `${name}=${random.pick(ACCESS[name] ?? WORDS)}`;
  });
  return (
    [random.pick(HOSTS) + random.pick(PORTS), ...words].join(random.pick([' ', '  ', '\t'])) +
    random.pick(['', '', ' # x'])
  );
}

function iniVariable(random: Random): string {
  if (random.below(6) === 0) return `ansible_group_priority=${random.below(5)}`;
  const name = random.pick(NAMES);
  return `${name}${random.pick(['=', ' = ', '= '])}${random.pick(ACCESS[name]?.map((value) => value.replaceAll('"', '')) ?? LITERALS)}`;
}

/** One section of variables with all literals and what is made of them by damage. */
export function literalsIni(random: Random): string {
  const values = Array.from({ length: 30 }, () => damaged(random, random.pick(LITERALS)));
  return `h\n[all:vars]\n${[...LITERALS, ...values].map((value, n) => `v${n} = ${value}`).join('\n')}\n`;
}

function damaged(random: Random, text: string): string {
  const marks = [...`'"\\[](){},:#-+._0b1 xr`];
  const at = random.below(text.length + 1);
  const made = text.slice(0, at) + random.pick([...marks, '']) + text.slice(at + random.below(2));
  return random.below(2) === 0 ? damaged(random, made) : made;
}

export function randomYaml(random: Random): string {
  const lines: string[] = ['---'];
  const group = (name: string, later: readonly string[], indent: string, depth: number) => {
    lines.push(`${indent}${name}:`);
    const inner = `${indent}  `;
    if (random.below(2) === 0) yamlHosts(random, inner, lines);
    if (random.below(2) === 0) yamlVariables(random, `${inner}vars:`, inner, lines);
    if (depth < 4 && later.length > 0 && random.below(2) === 0) {
      lines.push(`${inner}children:`);
      const children = new Set(Array.from({ length: 1 + random.below(3) }, () => random.pick(later)));
      for (const child of children) group(child, later.slice(later.indexOf(child) + 1), `${inner}  `, depth + 1);
    }
  };
  const top = new Set(['all', ...Array.from({ length: random.below(4) }, () => random.pick(GROUPS))]);
  for (const name of top) group(name, GROUPS.slice(GROUPS.indexOf(name) + 1), '', 0);
  return `${lines.join('\n')}\n`;
}

function yamlHosts(random: Random, indent: string, lines: string[]): void {
  const hosts = new Set(Array.from({ length: random.below(4) }, () => random.pick(HOSTS) + random.pick(PORTS)));
  if (hosts.size === 1 && random.below(3) === 0) {
    lines.push(`${indent}hosts: "${[...hosts][0]}"`);
    return;
  }
  lines.push(`${indent}hosts:`);
  for (const host of hosts) {
    if (random.below(2) === 0) lines.push(`${indent}  "${host}":`);
    else yamlVariables(random, `${indent}  "${host}":`, `${indent}  `, lines);
  }
}

const YAML_VALUES = [
  ...SCALARS.filter((text) => !['007', '1_000'].includes(text)),
  'yes',
  'Off',
  '~',
  '"1"',
  '[1, "a"]',
  '{a: 1, b: [x]}',
  '|\n            two\n            lines',
  '010',
  '0o10',
  '1.5',
];

function yamlVariables(random: Random, head: string, indent: string, lines: string[]): void {
  const names = new Set(Array.from({ length: random.below(4) }, () => random.pick(NAMES)));
  lines.push(head);
  for (const name of names) lines.push(`${indent}  ${name}: ${random.pick(ACCESS[name] ?? YAML_VALUES)}`);
}
