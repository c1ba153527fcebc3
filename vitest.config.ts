import { defineConfig } from 'vitest/config';

/** One project per folder of test/, in the order in which scripts/test.mjs runs them. */
const projects = ['unit', 'sim', 'thread', 'driver', 'fault', 'api', 'e2e'];

export default defineConfig({
  test: {
    projects: projects.map((name) => ({
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        pool: 'forks',
        testTimeout: name === 'unit' || name === 'sim' ? 20_000 : 60_000,
        hookTimeout: 60_000,
      },
    })),
  },
});
