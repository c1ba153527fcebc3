import { isFresh } from '../../scripts/stamp.mjs';

/** Whatever runs dist/ refuses one that was built from other sources. KEYLANE_STALE_DIST=1 takes it as it is, with a warning. */
export function setup() {
  if (isFresh()) return;
  const what = 'dist/ is not built from the sources that are here: npm run build';
  if (process.env.KEYLANE_STALE_DIST !== '1') throw new Error(what);
  console.error(`warning: ${what}`);
}
