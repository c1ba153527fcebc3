import { defineConfig } from 'vitest/config';

/** These run the TypeScript. All others import `keylane` by its own exports, from dist/: Node 20 starts no `.ts` worker. */
const ON_SOURCES: readonly string[] = ['unit', 'sim'];

/** One project for each folder of test/, in the order in which scripts/test.mjs runs them. */
const projects = ['unit', 'sim', 'thread', 'driver', 'fault', 'api', 'e2e'];

export default defineConfig({
  test: {
    projects: projects.map((name) => ({
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        // A process for each file: what one leaves behind, another does not count.
        pool: 'forks',
        globalSetup: ON_SOURCES.includes(name) ? [] : ['test/support/fresh-dist.mjs'],
        testTimeout: ON_SOURCES.includes(name) ? 20_000 : 60_000,
        hookTimeout: 60_000,
      },
    })),
  },
});
