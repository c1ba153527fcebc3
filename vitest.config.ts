import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

/** These run the TypeScript. All others import `keylane` by its own exports, from dist/: Node 20 starts no `.ts` worker. */
const ON_SOURCES: readonly string[] = ['unit', 'sim'];

/** One project for each folder of test/, in the order in which scripts/test.mjs runs them. */
const projects = ['unit', 'sim', 'thread', 'driver', 'fault', 'api', 'e2e'];

/** Of test/unit those that put another module in the place of one of ours, for all who import it after them. */
const root = new URL('./', import.meta.url);
const mocks = readdirSync(new URL('test/unit', root), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => `test/unit/${name}`)
  .filter((file) => readFileSync(new URL(file, root), 'utf8').includes('vi.mock('));

export default defineConfig({
  test: {
    projects: [
      ...projects.map((name) => project(name, [`test/${name}/**/*.test.ts`], name === 'unit' ? mocks : [])),
      project('unit-mocks', mocks),
    ],
  },
});

function project(name: string, include: string[], exclude: string[] = []) {
  const onSources = ON_SOURCES.includes(name) || include === mocks;
  return {
    test: {
      name,
      include,
      exclude,
      // A process for each file: what one leaves behind, another does not count. Parts alone have nothing to leave, and a
      // process for each of them, with the same modules again, was half of the processor time of test/unit (159 s, 80 s).
      pool: 'forks' as const,
      isolate: name !== 'unit',
      // dist/ is JavaScript as its users load it: Vite has nothing to do there, and took a third of the time (23 s, 16 s).
      server: { deps: { external: [/\/dist\//] } },
      globalSetup: onSources ? [] : ['test/support/fresh-dist.mjs'],
      testTimeout: onSources ? 20_000 : 60_000,
      hookTimeout: 60_000,
    },
  };
}
