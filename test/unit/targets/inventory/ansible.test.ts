import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Inventory, loadInventory } from '../../../../src/index.js';
import { seeded, seedsOf } from '../../../support/seed.js';
import { ansibleMissing, type Listed, listedByAnsible, printedByAnsible } from './ansible.js';
import { literalsIni, randomIni, randomYaml } from './generate.js';

const missing = ansibleMissing();
const CASES = process.env.KEYLANE_LONG ? 2_000 : 30;
const dir = mkdtempSync(join(tmpdir(), 'keylane-inventory-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What we make of a file, in the same words. */
function listed({ hosts, groups }: Inventory): Listed {
  return {
    groups: Object.fromEntries(Object.entries(groups).map(([name, names]) => [name, [...names].sort()])),
    vars: Object.fromEntries(hosts.map(({ name, vars }) => [name, { ...vars }])),
  };
}

/** Ansible does not list groups without hosts and children. */
function withoutEmpty({ groups, vars }: Listed): Listed {
  return { groups: Object.fromEntries(Object.entries(groups).filter(([, names]) => names.length > 0)), vars };
}

const KINDS = [
  { kind: 'INI', plugin: 'ini', make: randomIni },
  { kind: 'YAML', plugin: 'yaml', make: randomYaml },
  { kind: 'INI of many values', plugin: 'ini', make: literalsIni },
] as const;

describe.skipIf(missing !== undefined)(
  `what Ansible reads, is read alike${missing ? ` (skipped: ${missing})` : ''}`,
  () => {
    it.each(seedsOf('inventories').flatMap((seed) => KINDS.map((kind) => ({ ...kind, seed }))))(
      'hosts, groups and variables of random inventories: $kind (seed $seed)',
      async ({ kind, plugin, make, seed }) => {
        const random = seeded(seed);
        const cases = Array.from({ length: make === literalsIni ? Math.ceil(CASES / 4) : CASES }, (_, n) => {
          const file = join(dir, `${plugin}-${kind.length}-${seed}-${n}.${plugin === 'ini' ? 'ini' : 'yml'}`);
          const text = make(random);
          writeFileSync(file, text);
          return { file, text };
        });
        const theirs = listedByAnsible(
          cases.map(({ file }) => file),
          plugin,
        );
        expect(theirs.filter((their) => !(their instanceof Error)).length).toBeGreaterThan(cases.length / 3);
        for (const [n, { file, text }] of cases.entries()) {
          const their = theirs[n]!;
          if (their instanceof Error) {
            // A value that Python cannot print, such as a set, costs it the file.
            if (make === literalsIni) continue;
            await expect(loadInventory(file), `${text}\nAnsible: ${their.message}`).rejects.toThrow();
            continue;
          }
          const ours = listed(await loadInventory(file));
          expect(withoutEmpty(ours), text).toEqual(withoutEmpty(their));
          // What it prints is an inventory too: of one that has any host, the same.
          if (ours.groups.all?.length === 0 || make === literalsIni) continue;
          writeFileSync(`${file}.list`, their.text);
          const printed = listed(await loadInventory({ file: `${file}.list`, format: 'ansible-json' }));
          expect(withoutEmpty(printed), their.text).toEqual(withoutEmpty(their));
        }
      },
      120_000,
    );

    it('and the program prints what the driver of these tests says', () => {
      const file = join(dir, 'one.ini');
      writeFileSync(file, '[web]\nw[1:2] x=[1]\n[eu:children]\nweb\n');
      expect(listedByAnsible([file], 'ini')).toMatchObject([{ text: printedByAnsible(file) }]);
    });
  },
);
