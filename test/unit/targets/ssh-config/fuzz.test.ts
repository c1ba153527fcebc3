// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ssh writes variables of the environment like this.
import { describe, expect, it } from 'vitest';
import { KeylaneError } from '../../../../src/errors.js';
import { printResolved } from '../../../../src/targets/ssh-config/print.js';
import { cpuMs } from '../../../support/cpu-time.js';
import { type Random, seeded, seedsOf } from '../../../support/seed.js';
import { generateConfig, mutateConfig } from './generate.js';
import { now, Scratch } from './scratch.js';

const INPUTS = process.env.KEYLANE_LONG ? 1_000_000 : 400;
/** No input may hold up the main thread for longer. */
const LONGEST_MS = 50;

describe('whatever a file holds', () => {
  for (const seed of seedsOf('ssh-config-fuzz')) {
    it(`is read or refused with a typed error, at once (SEED=${seed})`, { timeout: 7_200_000 }, () => {
      const random = seeded(seed);
      const scratch = new Scratch();
      for (let left = INPUTS; left > 0; left--) {
        const text = left % 3 === 0 ? noise(random) : mutateConfig(random, generateConfig(random)).main;
        scratch.write('config', text);
        let spent = timed(scratch);
        // The machine is busy with other tests: what counts is the time that was ours.
        if (spent > LONGEST_MS) spent = cpuMs(() => void timed(scratch));
        expect(spent, JSON.stringify(text)).toBeLessThanOrEqual(LONGEST_MS);
      }
    });
  }

  const long = 200_000;
  it.each([
    ['stars', `Host ${'*a'.repeat(long / 4)}b\nUser a\n`],
    ['short patterns', `${`Host ${'*a'.repeat(30)}b\n`.repeat(2_000)}`],
    ['spaces', `User${' '.repeat(long)}a\n`],
    ['spaces in a line of spaces', `${' '.repeat(long)}x${' '.repeat(long)}\n`],
    ['quotes', `User ${'"'.repeat(long)}\n`],
    ['backslashes', `User ${'\\'.repeat(long)}\n`],
    ['digits of a time', `ConnectTimeout ${'1'.repeat(long)}q\n`],
    ['units of a time', `ConnectTimeout ${'1s'.repeat(long / 2)}q\n`],
    ['a size', `RekeyLimit ${'1'.repeat(long)}.${'1'.repeat(long)}q\n`],
    ['braces', `ControlPath ${'${'.repeat(long / 2)}\n`],
    ['brackets', `LocalForward ${'['.repeat(long)} ${'\\'.repeat(long)}\n`],
    ['jumps', `ProxyJump ${'a@b,'.repeat(long / 8)}c\n`],
    ['folders', `Include ${'a/'.repeat(long / 2)}a\n`],
    ['includes', `Include ${'/n '.repeat(20_000)}\n`],
    ['a path of stars', `Include ${'/*'.repeat(40)}\n`],
    ['what is ignored', `${'IgnoreUnknown q\n'.repeat(5_000)}${'q 1\n'.repeat(5_000)}`],
    ['variables', `${'SendEnv A B C D E F\n'.repeat(3_000)}${'SendEnv -x\n'.repeat(3_000)}`],
    ['forwardings', Array.from({ length: 5_000 }, (_, at) => `LocalForward ${at + 1} a:1\n`).join('')],
    ['all there is to a list', `UserKnownHostsFile ${'a '.repeat(long / 4)}\n`],
  ])('costs in proportion to its length: %s', (_name, text) => {
    const scratch = new Scratch({ config: text });
    // 50 ms are for a file as people write them; these have up to 400 kB. Anything quadratic takes a minute.
    expect(cpuMs(() => void timed(scratch))).toBeLessThan(2_000);
  });
});

/** Milliseconds of reading the file and asking for one host. */
function timed(scratch: Scratch): number {
  const start = performance.now();
  try {
    const config = now(scratch.open().resolve({ host: 'a'.repeat(60) }));
    printResolved(config);
    expect(config.needsOpenSsh.length + config.unsupported.length + config.ignored.length).toBeGreaterThanOrEqual(0);
    expect(Array.isArray(config.identityFiles)).toBe(true);
  } catch (error) {
    if (!(error instanceof KeylaneError) || !error.code.startsWith('ERR_CONFIG')) throw error;
  }
  return performance.now() - start;
}

/** Any bytes, rather often those with a meaning. */
function noise(random: Random): string {
  const meaning = 'Host Match Include Port "\'\\=#,!*?%${}~-+^:@[]\t\r\n\0\u00e9\ufeff';
  return Array.from({ length: random.below(400) }, () =>
    random.below(3) === 0 ? String.fromCharCode(random.below(256)) : random.pick([...meaning]),
  ).join('');
}
