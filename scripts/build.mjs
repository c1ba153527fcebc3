// Builds src, workers and load into dist/ with plain tsc, the dashboard for the browser beside it, joins what is loaded
// together (bundle.mjs), and stamps dist with a digest of what it was built from.
// Whatever runs dist (all tests but unit and sim, load/, the demo) refuses it when the digest no longer fits.
import { spawnSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { bundle } from './bundle.mjs';
import { licenceOf } from './licence.mjs';
import { digestOfSources, isFresh, root, stamp } from './stamp.mjs';

if (!isFresh()) {
  rmSync(new URL('dist/', root), { recursive: true, force: true });
  compile('tsconfig.json');
  compile('src/server/page/tsconfig.json');
  copyPage();
  await bundle();
  writeFileSync(stamp, digestOfSources());
}

function compile(project) {
  const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project], {
    cwd: root,
    stdio: 'inherit',
  });
  if (tsc.status !== 0) process.exit(tsc.status ?? 1);
}

/** What tsc does not make of the dashboard. uPlot goes with its licence. */
function copyPage() {
  const from = new URL('src/server/page/', root);
  const to = new URL('dist/src/server/page/', root);
  for (const name of readdirSync(from))
    if (/\.(html|css|svg)$/.test(name)) copyFileSync(new URL(name, from), new URL(name, to));
  const uplot = new URL('node_modules/uplot/', root);
  for (const [source, name] of [
    ['dist/uPlot.esm.js', 'uplot.js'],
    ['dist/uPlot.min.css', 'uplot.css'],
  ])
    writeFileSync(new URL(name, to), licenceOf('uplot') + readFileSync(new URL(source, uplot), 'utf8'));
}
