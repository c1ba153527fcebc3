import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type InventoryCommand, type InventoryOptions, KeylaneError, loadInventory } from '../../../../src/index.js';
import { FakeClock } from '../../../support/fake-clock.js';

const root = mkdtempSync(join(tmpdir(), 'keylane-inventory-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let dir: string;
let wall: number;
beforeEach(() => {
  dir = mkdtempSync(join(root, 'case-'));
  wall = 1_000_000;
});

/** A command of sh that counts its runs in a file beside what it prints. */
function script(text: string): InventoryCommand {
  return { command: ['sh', '-c', `echo run >> ${dir}/runs; ${text}`] };
}
const runs = () =>
  existsSync(join(dir, 'runs')) ? readFileSync(join(dir, 'runs'), 'utf8').trim().split('\n').length : 0;
const load = (source: InventoryCommand, options: InventoryOptions = {}) =>
  loadInventory(source, { allowCommands: true, wallNow: () => wall, ...options });
const names = async (source: InventoryCommand, options?: InventoryOptions) => [
  ...((await load(source, options)).groups.all ?? []),
];

describe('a command', () => {
  it('is run only with leave, and never by a shell', async () => {
    await expect(loadInventory(script('echo a'))).rejects.toThrow(
      'command sh: is not run for an inventory: allow it by `allowCommands`',
    );
    expect(runs()).toBe(0);
    expect(await names({ command: ['printf', '%s\n', '$HOME'] }).catch((error) => error.message)).toContain('"$HOME"');
    await expect(load({ command: [`echo ${dir}`] })).rejects.toThrow('cannot be run: ENOENT');
  });

  it('may print any format', async () => {
    expect(await names(script(`echo '[web]'; echo 'web-[1:2]'`))).toEqual(['web-1', 'web-2']);
    expect(await names(script(`echo '{"_meta": {"hostvars": {}}, "db": ["d"]}'`))).toEqual(['d']);
    const vms = script(`echo '[{"name": "vm", "ip": "10.0.0.1"}]'`);
    expect((await load({ ...vms, map: { host: 'ip' } })).find('vm')).toMatchObject({ host: '10.0.0.1' });
    await expect(load({ ...script('echo Host x') })).rejects.toThrow('an ssh_config is read from a file');
  });

  it('that fails is told with the end of what it said, and without its arguments', async () => {
    const failure = await load(script('echo "please log in\u001b[2J" >&2; exit 3 # hunter2')).catch((error) => error);
    expect(failure).toBeInstanceOf(KeylaneError);
    expect(failure.message).toBe('command sh exited with 3; it said:\nplease log in [2J');
    await expect(load(script('kill -TERM $$'))).rejects.toThrow('command sh was ended by SIGTERM');
  });

  it('that does not end is killed with all that it has started', async () => {
    const clock = new FakeClock();
    const ready = `sleep 600 & echo $! > ${dir}/pid; wait`;
    const loading = load({ ...script(ready), timeoutMs: 5_000 }, { clock });
    const failed = expect(loading).rejects.toThrow('command sh did not end within 5000 ms');
    await until(() => existsSync(join(dir, 'pid')) && readFileSync(join(dir, 'pid'), 'utf8').endsWith('\n'));
    const pid = Number(readFileSync(join(dir, 'pid'), 'utf8'));
    clock.advance(5_000);
    await failed;
    await until(() => !isAlive(pid));
  });

  it('that prints without end is stopped', async () => {
    await expect(load({ command: ['yes', 'x'.repeat(10_000)] })).rejects.toThrow('command yes: is longer than 64 MiB');
  });

  it('must not choose which secret of ours a host is given', async () => {
    const text = `echo '{"_meta": {"hostvars": {"h": {"ansible_password": "file:/etc/shadow"}}}, "g": ["h"]}'`;
    await expect(load(script(text))).rejects.toThrow("expected no reference to a secret in a command's output");
  });
});

describe('the output of a command', () => {
  it('is taken again until its time is over', async () => {
    const source = { ...script('echo a'), ttlMs: 1_000 };
    await load(source);
    wall += 999;
    await load(source);
    expect(runs()).toBe(1);
    wall += 1;
    await load(source);
    expect(runs()).toBe(2);
    await load({ ...source, ttlMs: 0 });
    expect(runs()).toBe(3);
  });

  it('is waited for by all who ask at once', async () => {
    const source = script('echo a');
    const all = await Promise.all(Array.from({ length: 10 }, () => names(source)));
    expect(all).toEqual(Array.from({ length: 10 }, () => ['a']));
    expect(runs()).toBe(1);
  });

  it('is another for other arguments, and in another folder', async () => {
    await load(script('echo a'));
    await load(script('echo b'));
    await load({ ...script('echo a'), cwd: dir });
    expect(runs()).toBe(3);
  });

  it('is taken when it is old where the command fails and that is allowed, and told', async () => {
    const source = { ...script(`test ! -e ${dir}/broken && echo a || { echo no >&2; false; }`), ttlMs: 1_000 };
    await load(source);
    writeFileSync(join(dir, 'broken'), '');
    wall += 120_000;
    await expect(load(source)).rejects.toThrow('exited with 1');
    const { groups, warnings } = await load({ ...source, staleOk: true });
    expect(groups.all).toEqual(['a']);
    expect(warnings).toEqual(['command sh exited with 1; it said:\nno; taken is what it printed 2 minutes ago']);
  });

  it('is not kept where it could not be read, or holds what is refused', async () => {
    const source = script(`echo 'a ansible_password=hunter2'`);
    const options = { persist: true, dataDir: join(dir, 'data') };
    await expect(load({ ...source, format: 'ini' }, options)).rejects.toThrow('secret in clear');
    await load({ ...source, format: 'ini' }, { ...options, skipBad: true });
    expect(readdirSync(join(dir, 'data', 'inventories'))).toEqual([]);
  });
});

describe('an output on disk', () => {
  /** As another process would find it: this one remembers what it has run by the folder. */
  const elsewhere = async (file: string) => {
    const { keptOutput } = await import('../../../../src/targets/inventory/kept-output.js');
    return keptOutput(file.replace('.json', ''), join(dir, 'data', 'inventories'));
  };
  const keep = async () => {
    await load(script('echo a'), { persist: true, dataDir: join(dir, 'data') });
    const [file = ''] = readdirSync(join(dir, 'data', 'inventories'));
    return file;
  };

  it('is for its owner alone, and its name tells nothing', async () => {
    const file = await keep();
    expect(file).toMatch(/^[0-9a-f]{64}\.json$/);
    expect(statSync(join(dir, 'data', 'inventories', file)).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, 'data', 'inventories')).mode & 0o777).toBe(0o700);
  });

  it.each([
    ['cut short', (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 40))],
    ['changed', (path: string) => writeFileSync(path, readFileSync(path, 'utf8').replace('a\\n', 'evil\\n'))],
    [
      'of another version',
      (path: string) => writeFileSync(path, readFileSync(path, 'utf8').replace('"version":1', '"version":0')),
    ],
    ['for others to write', (path: string) => chmodSync(path, 0o666)],
  ])('that is %s is none', async (_, damage) => {
    const file = await keep();
    const name = `${'0'.repeat(64)}.json`;
    const path = join(dir, 'data', 'inventories', name);
    writeFileSync(path, readFileSync(join(dir, 'data', 'inventories', file)), { mode: 0o600 });
    expect(await elsewhere(name)).toMatchObject({ text: 'a\n' });
    damage(path);
    expect(await elsewhere(name)).toBeUndefined();
  });

  it('that cannot be written costs a warning', async () => {
    writeFileSync(join(dir, 'data'), 'a file in the way');
    const { groups, warnings } = await load(script('echo a'), { persist: true, dataDir: join(dir, 'data') });
    expect(groups.all).toEqual(['a']);
    expect(warnings).toEqual([expect.stringContaining('outputs of commands are not kept on disk')]);
  });
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise<void>((resolve) => setImmediate(resolve));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
