import { KeylaneError } from '../errors.js';
import { notice } from '../util/notice.js';
import { type FoundFile, findFiles } from './files.js';
import { type LoadConfigOptions, readConfig, surroundings } from './load.js';
import type { Config } from './types.js';

export interface ConfigSourceOptions extends LoadConfigOptions {
  /** Told once of each change that cannot be taken. @default a warning of the process */
  onProblem?: (problem: KeylaneError) => void;
}

/** A file changed so lately may change again without a sign: clocks of file systems tick, some by seconds. */
const RACY_MS = 100;
const RACY_IN_SECONDS_MS = 2_100;

/**
 * The configuration for a program that runs long: `current()` is that of the files as they are now. It looks at their
 * times each time, in well under a millisecond, and reads them only where they have changed. A change that is not valid is
 * told once, and what held before goes on holding. Variables and flags stay what they were.
 */
export class ConfigSource {
  readonly #options: LoadConfigOptions;
  readonly #onProblem: (problem: KeylaneError) => void;
  #held: Held | undefined = undefined;
  #reading: Promise<Held> | undefined = undefined;

  constructor({ onProblem, ...options }: ConfigSourceOptions = {}) {
    this.#options = { ...options, env: { ...(options.env ?? process.env) }, cwd: options.cwd ?? process.cwd() };
    this.#onProblem = onProblem ?? (({ message }) => notice(`the configuration stays as it was: ${message}`));
  }

  /** The same object as long as nothing has changed. Rejects with `ERR_CONFIG` if there never was a valid one. */
  async current(): Promise<Config> {
    // Who waits for a reading that began before the change takes one that began after.
    while (this.#reading) await this.#reading.catch(() => undefined);
    const files = findFiles(surroundings(this.#options));
    const stamp = stampOf(files);
    if (this.#held && this.#held.stamp === stamp && !this.#held.racy) return this.#held.config;
    this.#reading = this.#read(files, stamp);
    try {
      this.#held = await this.#reading;
      return this.#held.config;
    } finally {
      this.#reading = undefined;
    }
  }

  async #read(files: readonly FoundFile[], stamp: string): Promise<Held> {
    const racy = files.some(isRacy);
    const before = this.#held;
    try {
      const config = await readConfig(files, surroundings(this.#options), this.#options);
      const same = before !== undefined && isSame(before.config, config);
      return { stamp, racy, config: same ? before.config : config, problem: undefined };
    } catch (error) {
      if (!before || !(error instanceof KeylaneError)) throw error;
      if (before.problem !== error.message) this.#onProblem(error);
      return { ...before, stamp, racy, problem: error.message };
    }
  }
}

interface Held {
  config: Config;
  stamp: string;
  racy: boolean;
  /** Why the files as they are now cannot be taken. */
  problem: string | undefined;
}

function isRacy({ changedMs }: FoundFile): boolean {
  return Math.abs(Date.now() - changedMs) < (changedMs % 1_000 === 0 ? RACY_IN_SECONDS_MS : RACY_MS);
}

function stampOf(files: readonly FoundFile[]): string {
  return files.map(({ file, stamp }) => `${file}\0${stamp}`).join('\0');
}

/** A racy file is read twice; what came of it may be the same. */
function isSame(before: Config, now: Config): boolean {
  return JSON.stringify([before, before.entries()]) === JSON.stringify([now, now.entries()]);
}
