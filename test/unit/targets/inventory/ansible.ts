import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * `ansible-inventory --list` for one file after the other in one process: a start of Python for each would be a second.
 * The arguments are kept for the life of a process, so they are forgotten before each.
 * A line of JSON for each file: what it prints, or the last line of its error.
 */
const DRIVER = `
import contextlib, io, json, sys
from ansible.cli.inventory import InventoryCLI
from ansible.utils.context_objects import GlobalCLIArgs
for path in sys.stdin.read().split('\\n'):
    out = io.StringIO()
    GlobalCLIArgs._Singleton__instance = None
    error = None
    try:
        with contextlib.redirect_stdout(out):
            InventoryCLI(['ansible-inventory', '-i', path, '--list']).run()
    except SystemExit as e:
        pass
    except BaseException as e:
        error = str(e) or repr(e)
    print(json.dumps({'error': error, 'list': out.getvalue()}))
`;

const ENV = {
  ...process.env,
  ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED: 'true',
  ANSIBLE_INVENTORY_UNPARSED_FAILED: 'true',
  ANSIBLE_LOCAL_TEMP: '/tmp/keylane-ansible',
};

/** What an inventory comes to. */
export interface Listed {
  /** Members of each group, those of its children too, sorted. */
  groups: Record<string, string[]>;
  /** Variables of each host. */
  vars: Record<string, Record<string, unknown>>;
}

/** What Ansible makes of each file; an Error where it refuses it. `plugin` is the only one that may read it. */
export function listedByAnsible(
  files: readonly string[],
  plugin: 'ini' | 'yaml',
): ((Listed & { text: string }) | Error)[] {
  const { stdout, stderr, status } = spawnSync(pythonOfAnsible() ?? '', ['-c', DRIVER], {
    input: files.join('\n'),
    env: { ...ENV, ANSIBLE_INVENTORY_ENABLED: plugin },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`the driver of ansible-inventory failed: ${stderr}`);
  const lines = stdout.trim().split('\n');
  return lines.map((line) => {
    const { error, list } = JSON.parse(line) as { error: string | null; list: string };
    if (error !== null) return new Error(error);
    // Python writes numbers without end as no JSON has them.
    if (/[\s-](?:Infinity|NaN),?$/m.test(list)) return new Error('it printed what is no JSON');
    return { ...listed(JSON.parse(list)), text: list };
  });
}

/** What the program itself prints for a file. */
export function printedByAnsible(file: string): string {
  return spawnSync('ansible-inventory', ['-i', file, '--list'], { env: ENV, encoding: 'utf8' }).stdout;
}

/** Why there is no Ansible to compare with; undefined where there is one. */
export function ansibleMissing(): string | undefined {
  return pythonOfAnsible() === undefined ? 'there is no ansible-inventory: install ansible-core' : undefined;
}

/** What the first line of the program names: of several Pythons only one has Ansible. */
function pythonOfAnsible(): string | undefined {
  const folders = (process.env.PATH ?? '').split(':');
  const program = folders.map((folder) => join(folder, 'ansible-inventory')).find((path) => existsSync(path));
  if (program === undefined) return undefined;
  return /^#!\s*(\S*python\S*)/.exec(readFileSync(program, 'utf8'))?.[1];
}

type Group = { hosts?: string[]; children?: string[] };

/** The output of `--list`, groups within groups written out. */
function listed(list: Record<string, Group> & { _meta: { hostvars: Listed['vars'] } }): Listed {
  const members = (name: string): string[] => {
    const { hosts = [], children = [] } = list[name] ?? {};
    return [...hosts, ...children.flatMap(members)];
  };
  const names = new Set(['all', 'ungrouped']);
  for (const [name, { children = [] }] of Object.entries(list as Record<string, Group>)) {
    if (name === '_meta') continue;
    for (const one of [name, ...children]) names.add(one);
  }
  const groups = Object.fromEntries([...names].map((name) => [name, [...new Set(members(name))].sort()]));
  const { hostvars } = list._meta;
  return { groups, vars: Object.fromEntries((groups.all ?? []).map((host) => [host, hostvars[host] ?? {}])) };
}
