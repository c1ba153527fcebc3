// Is dist/ built from the sources that are here? By content, so that a checkout or a touch does not count as a change.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export const root = new URL('../', import.meta.url);
export const stamp = new URL('dist/.built-from', root);

export function digestOfSources() {
  const hash = createHash('sha256');
  for (const folder of ['src', 'workers', 'load']) {
    for (const name of readdirSync(new URL(folder, root), { recursive: true }).sort()) {
      // The dashboard is more than TypeScript.
      if (/\.(ts|html|css|svg)$/.test(name) || name.endsWith('page/tsconfig.json'))
        hash.update(`${folder}/${name}\0`).update(readFileSync(new URL(`${folder}/${name}`, root)));
    }
  }
  // What load/ takes from the tests.
  for (const name of readdirSync(new URL('test/support', root)).sort()) {
    if (/^(proxy.*|random)\.ts$/.test(name))
      hash.update(`${name}\0`).update(readFileSync(new URL(`test/support/${name}`, root)));
  }
  const packages = ['uplot', 'rolldown', 'zod'].map((name) => `node_modules/${name}/package.json`);
  for (const name of ['tsconfig.json', 'scripts/build.mjs', 'scripts/bundle.mjs', 'scripts/licence.mjs', ...packages])
    hash.update(readFileSync(new URL(name, root)));
  return hash.digest('hex');
}

export function isFresh() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === digestOfSources();
}
