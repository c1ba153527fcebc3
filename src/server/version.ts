import { createRequire } from 'node:module';

/** Of this package. */
export function versionHere(): string {
  const { version } = createRequire(import.meta.url)('keylane/package.json') as { version: string };
  return version;
}
