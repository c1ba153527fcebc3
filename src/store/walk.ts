// A program: `node walk.js DIR durable|disposable`. Reads all that a store holds, as `checkStore` asks for it. In a
// process of its own, because LMDB ends the process that reads a damaged page (SIGABRT) or one that was cut off (SIGBUS).
import { join } from 'node:path';
import { brokenPart } from './data-file.js';
import { DATA_FILE, type Environment, openEnvironment, transact } from './environment.js';

import { unseal } from './seal.js';
import { codeOf } from './trouble.js';
import { WALK_EXIT } from './walk-exit.js';

/** Not in a value's way: no key of a store is that long and begins so. Nothing of it is ever committed. */
const PROBE = Buffer.alloc(1_000);
const PROBES = 20;

async function walk(dir: string, durable: boolean): Promise<void> {
  const broken = brokenPart(join(dir, DATA_FILE));
  if (broken) throw new Damage(broken);
  const environment = await openEnvironment(dir, { durable });
  const { entryCount } = environment.getStats() as { entryCount: number };
  let count = 0;
  for (const { key, value } of environment.getRange({ start: Buffer.of(0) })) {
    count++;
    if (!unseal(key, value)) throw new Damage('a value does not have its checksum');
    // In its order it may be found, and by its key not: the way there is another one.
    if (!environment.doesExist(key)) throw new Damage('a value is not found by its key');
  }
  if (count !== entryCount) throw new Damage(`it has ${count} values of ${entryCount}`);
  allocate(environment);
}

/**
 * Has LMDB look through its list of free pages, as the next who writes will do: in a transaction that asks for many and is
 * given up. The file stays as it is, to its time of change.
 */
function allocate(environment: Environment): void {
  try {
    transact(environment, () => {
      for (let i = 0; i < PROBES; i++) {
        PROBE.writeUInt32BE(i, PROBE.length - 4);
        environment.putSync(PROBE, Buffer.alloc(3_000));
      }
      environment.putSync(PROBE, Buffer.alloc(1_048_576));
      throw new GivenUp();
    });
  } catch (error) {
    if (!(error instanceof GivenUp)) throw error;
  }
}

class GivenUp extends Error {}
class Damage extends Error {}

const [dir = '', kind] = process.argv.slice(2);
try {
  await walk(dir, kind === 'durable');
  process.exit(WALK_EXIT.whole);
} catch (error) {
  process.stdout.write(error instanceof Error ? error.message : String(error));
  // What nobody expected of a store is damage: it is not opened.
  const code = codeOf(error) ?? 'ERR_STORE_CORRUPT';
  process.exit(code === 'ERR_STORE_CORRUPT' ? WALK_EXIT.damaged : WALK_EXIT.unable);
}
