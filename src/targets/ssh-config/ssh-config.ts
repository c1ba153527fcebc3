import { homedir, hostname, userInfo } from 'node:os';
import { posix } from 'node:path';
import type { Clock } from '../../util/clock.js';
import { type Evaluated, Evaluator, type Question } from './evaluate.js';
import { runExec } from './exec.js';
import { loadProgram } from './program.js';
import { refuseDestination } from './refuse.js';
import { ResolvedConfig } from './resolved.js';
import type { Here } from './tokens.js';
import type { SshConfigFile, SshConfigQuery } from './types.js';
import { Watch } from './watch.js';

export interface SshConfigOptions {
  /** In the order in which they count: `usualFiles` gives ssh's own. */
  readonly files: readonly SshConfigFile[];
  /** Of the account we run as; ssh takes it from the password database, not from $HOME. @default the account's */
  readonly home?: string;
  /** Of the account we run as. @default the account's */
  readonly user?: string;
  /** Run the commands of `Match exec`. Without it a Match that comes down to one is refused. @default false */
  readonly allowExec?: boolean;
  readonly clock: Clock;
}

/** How often the files are looked at, at most. */
const LOOK_EVERY_MS = 250;
/** How long an answer that hangs on a `Match exec` is believed; others are until a file changes. */
const BELIEVE_EXEC_MS = 5_000;
const EXEC_DEADLINE_MS = 10_000;
/** Destinations kept; beyond, the oldest goes. */
const MOST_KEPT = 20_000;

interface Kept {
  readonly config: ResolvedConfig;
  /** Clock time at which it is no longer believed. */
  readonly until: number;
}

/** The files that ssh reads: the one of `-F`, where `none` is none at all, or the user's and then the system's. */
export function usualFiles(home: string, flag?: string): SshConfigFile[] {
  if (flag !== undefined) return flag.toLowerCase() === 'none' ? [] : [{ path: flag, from: 'flag' }];
  return [
    { path: posix.join(home, '.ssh', 'config'), from: 'user' },
    { path: '/etc/ssh/ssh_config', from: 'system' },
  ];
}

/**
 * The ssh_config files of one engine: read once, and again when any file that was read, or folder that was searched,
 * has changed.
 */
export class SshConfigFiles {
  readonly #options: SshConfigOptions;
  readonly #here: Here;
  #watch: Watch | undefined;
  #lookedAt = 0;
  #evaluator: Evaluator | undefined;
  /** What is wrong with the files, until they change. */
  #broken: unknown;
  readonly #kept = new Map<string, Kept>();
  readonly #running = new Map<string, Promise<ResolvedConfig>>();

  constructor(options: SshConfigOptions) {
    this.#options = options;
    const account = ownAccount();
    this.#here = {
      home: options.home ?? account.homedir,
      user: options.user ?? account.username,
      uid: process.getuid?.() ?? 0,
      machine: hostname(),
    };
  }

  /**
   * The options of a destination. A promise only where a `Match exec` has to run.
   *
   * @throws KeylaneError `ERR_CONFIG` names file, line and directive · `ERR_CONFIG_UNSUPPORTED` what cannot be followed
   */
  resolve(query: SshConfigQuery): ResolvedConfig | Promise<ResolvedConfig> {
    const evaluator = this.#current();
    const key = `${query.host}\0${query.user ?? ''}\0${query.port ?? ''}\0${query.tag ?? ''}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.until > this.#options.clock.now()) return kept.config;
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const steps = evaluator.evaluate(query);
    const first = steps.next();
    if (first.done) return this.#keep(key, query, first.value, Number.POSITIVE_INFINITY);
    const asked = this.#ask(steps, first.value).then((evaluated) => {
      // The files may have changed meanwhile: then the answer is given, and not kept.
      if (this.#evaluator !== evaluator) return this.#config(query, evaluated);
      return this.#keep(key, query, evaluated, this.#options.clock.now() + BELIEVE_EXEC_MS);
    });
    const settled = asked.finally(() => {
      if (this.#running.get(key) === settled) this.#running.delete(key);
    });
    this.#running.set(key, settled);
    return settled;
  }

  async #ask(steps: Generator<Question, Evaluated, boolean>, first: Question): Promise<Evaluated> {
    for (let question = first; ; ) {
      const next = steps.next(await runExec(question, this.#options.clock, EXEC_DEADLINE_MS));
      if (next.done) return next.value;
      question = next.value;
    }
  }

  #keep(key: string, query: SshConfigQuery, evaluated: Evaluated, until: number): ResolvedConfig {
    const config = this.#config(query, evaluated);
    this.#kept.delete(key);
    this.#kept.set(key, { config, until });
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    return config;
  }

  #config(query: SshConfigQuery, evaluated: Evaluated): ResolvedConfig {
    const config = new ResolvedConfig(query, evaluated, this.#here);
    refuseDestination(config, evaluated.settings, this.#here.user);
    return config;
  }

  /** The files as they are, or were a moment ago. */
  #current(): Evaluator {
    const now = this.#options.clock.now();
    if (this.#watch === undefined || (now - this.#lookedAt >= LOOK_EVERY_MS && this.#watch.changed())) this.#load();
    if (now - this.#lookedAt >= LOOK_EVERY_MS) this.#lookedAt = now;
    if (this.#broken !== undefined) throw this.#broken;
    return this.#evaluator!;
  }

  #load(): void {
    this.#watch = new Watch();
    this.#lookedAt = this.#options.clock.now();
    this.#kept.clear();
    this.#running.clear();
    this.#evaluator = undefined;
    this.#broken = undefined;
    try {
      const program = loadProgram(this.#options.files, this.#here.home, this.#watch);
      this.#evaluator = new Evaluator(program, this.#here, this.#options.allowExec ?? false);
    } catch (error) {
      this.#broken = error;
    }
  }
}

/** In a container there may be no account of our number. */
function ownAccount(): { homedir: string; username: string } {
  try {
    return userInfo();
  } catch {
    return { homedir: homedir(), username: String(process.getuid?.() ?? '') };
  }
}
