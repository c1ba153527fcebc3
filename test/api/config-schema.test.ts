import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';

interface Node {
  description?: string;
  properties?: Record<string, Node>;
  additionalProperties?: boolean | Node;
  items?: Node;
  anyOf?: Node[];
}

const schema = JSON.parse(
  readFileSync(createRequire(import.meta.url).resolve('keylane/schema.json'), 'utf8'),
) as Node & { properties: Record<string, Node> };

test('keylane/schema.json is what checks keylane.yaml', () => {
  const check = () => execFileSync(process.execPath, ['scripts/config-schema.mjs', '--check'], { stdio: 'pipe' });
  expect(check).not.toThrow();
});

test('every option of keylane.yaml is described for editors, and a name that is not known is refused', () => {
  const bare: string[] = [];
  const look = (node: Node, path: string) => {
    if (node.properties) expect(`${path}: ${node.additionalProperties}`).toBe(`${path}: false`);
    for (const [name, inner] of Object.entries(node.properties ?? {})) {
      if (inner.description === undefined) bare.push(`${path}.${name}`);
      look(inner, `${path}.${name}`);
    }
    for (const choice of node.anyOf ?? []) look(choice, path);
    for (const each of [node.additionalProperties, node.items]) if (typeof each === 'object') look(each, `${path}.*`);
  };
  look(schema, '');
  // Lists of algorithms and the host of a hop say all by their names.
  expect(bare.filter((path) => !/\.algorithms\.|\.jump\.\*\.host$|^\.limits$/.test(path))).toEqual([]);
});

test('what a file cannot say is not in it', () => {
  expect(schema.properties).not.toHaveProperty('onEvent');
  expect(schema.properties.ssh?.properties).not.toHaveProperty('confirmHostKey');
});
