import { resolve } from 'node:path';
import type { BatchOptions, BatchSettings } from '../index.js';
import type { GivenRunFlags, RunFlags } from './batch-run-flags.js';
import type { CommandSays } from './configured.js';

/** What the journal keeps for whoever goes on with a batch: no secret, only where they are. */
export interface KeptSettings extends BatchSettings {
  by: 'keylane batch';
  flags: GivenRunFlags;
}

/** Of a person, of one run or of the input, which its identity describes. */
const NOT_KEPT: ReadonlySet<string> = new Set([
  ...['id', 'dataDir', 'driver', 'from', 'template', 'skipBad', 'journal', 'restart', 'color', 'progress', 'quiet'],
]);

/** From whatever folder it is gone on with, the same files are meant. */
export function keptSettings(given: GivenRunFlags): KeptSettings {
  const { config, knownHosts, sshConfig, out, password, passphrase, identity, inventory } = given;
  const kept = Object.fromEntries(Object.entries(given).filter(([name]) => !NOT_KEPT.has(name)));
  const flags: GivenRunFlags = {
    ...kept,
    cwd: given.cwd ?? process.cwd(),
    ...(config !== undefined && { config: config === 'none' ? config : resolve(config) }),
    ...(sshConfig !== undefined && { sshConfig: sshConfig === 'none' ? sshConfig : resolve(sshConfig) }),
    ...(knownHosts !== undefined && { knownHosts: resolve(knownHosts) }),
    ...(out !== undefined && { out: resolve(out) }),
    ...(password !== undefined && { password: absolute(password) }),
    ...(passphrase !== undefined && { passphrase: absolute(passphrase) }),
    ...(identity !== undefined && { identity: identity.map((file) => resolve(file)) }),
    ...(inventory !== undefined && { inventory: inventory.map((file) => resolve(file)) }),
  };
  return { by: 'keylane batch', flags };
}

/** Undefined where another program made the batch. A service says by options how it is run, and by flags how hosts are reached. */
export function readSettings(settings: unknown): GivenRunFlags | undefined {
  const { by, flags, options = {} } = (settings ?? {}) as Partial<BatchSettings> & Kept;
  if (by === 'keylane batch') return flags;
  return by === 'keylane serve' ? { ...flags, ...flagsOf(options) } : undefined;
}

interface Kept {
  flags?: GivenRunFlags;
  options?: BatchOptions;
}

/** What `optionsOf` makes these options of. */
function flagsOf(options: BatchOptions): GivenRunFlags {
  const { concurrency, concurrencyPerKey, timeoutMs, attempts, idempotent, priority, rate, maxFailures } = options;
  const { canary, waves, window, maxOutputTotal, labels, timeoutFloorMs, timeoutCeilingMs } = options;
  const more = { labels, timeoutFloorMs, timeoutCeilingMs };
  const flags = {
    ...{
      concurrency,
      perKey: concurrencyPerKey,
      timeout: timeoutMs,
      attempts,
      idempotent,
      priority,
      rate,
      maxFailures,
    },
    ...{ canary, wave: waves, window, maxOutputTotal },
    ...(Object.values(more).some((value) => value !== undefined) && { more }),
  };
  const said = Object.entries(flags).filter(([, value]) => value !== undefined && value !== false);
  return Object.fromEntries(said);
}

/** A secret's reference: of a file, with its whole path. */
function absolute(reference: string): string {
  return reference.startsWith('file:') ? `file:${resolve(reference.slice('file:'.length))}` : reference;
}

/** What flags say of the engine. */
export function saysOf({ concurrency, maxOutput, limit }: RunFlags): CommandSays {
  return {
    defaults: { maxInFlight: concurrency === 'auto' ? 4_096 : Math.max(concurrency, 4_096) },
    flags: {
      ...(maxOutput !== undefined && { ssh: { maxOutputBytes: maxOutput } }),
      ...(Object.keys(limit).length > 0 && { limits: { groups: limit } }),
    },
  };
}

/** What flags say of the batch. */
export function optionsOf(flags: RunFlags): BatchOptions {
  const { concurrency, perKey, timeout, attempts, idempotent, priority, cache } = flags;
  const { rate, maxFailures, canary, wave, window, maxOutputTotal } = flags;
  return {
    ...flags.more,
    concurrency,
    timeoutMs: timeout,
    attempts,
    ...(perKey !== undefined && { concurrencyPerKey: perKey }),
    ...(idempotent && { idempotent }),
    ...(priority !== undefined && { priority }),
    ...(cache !== undefined && { cache: { ttlMs: cache, persist: true } }),
    ...(rate !== undefined && { rate }),
    ...(maxFailures !== undefined && { maxFailures }),
    ...(canary !== undefined && { canary }),
    ...(wave.length > 0 && { waves: wave }),
    ...(window !== undefined && { window }),
    ...(maxOutputTotal !== undefined && { maxOutputTotal }),
  };
}
