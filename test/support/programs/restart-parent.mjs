// restart-parent.mjs …: what `keylane batch run` is, over the work of restart-work.mjs.
import { fileURLToPath } from 'node:url';
import { restarting } from '../../../dist/src/cli/restart.js';

await restarting(fileURLToPath(new URL('./restart-work.mjs', import.meta.url)), process.argv.slice(2));
