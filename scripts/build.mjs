// Builds src, workers and load into dist/ with plain tsc, and stamps dist with a digest of what it was built from.
// Whatever runs dist (all tests but unit and sim, load/, the demo) refuses it when the digest no longer fits.
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { digestOfSources, isFresh, root, stamp } from './stamp.mjs';

if (!isFresh()) {
  rmSync(new URL('dist/', root), { recursive: true, force: true });
  const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (tsc.status !== 0) process.exit(tsc.status ?? 1);
  writeFileSync(stamp, digestOfSources());
}
