import { type Logger, pino } from 'pino';
import type { ServiceLogOptions } from './options.js';
import { pretty } from './pretty.js';
import { LOG_LEVELS, type LogLevel } from './section.js';

/**
 * The service's log, and its level, which can be changed while it runs. What is only of use for debugging is made where
 * somebody asked to be told of the level: nothing is spent on it else.
 */
export class ServiceLog {
  readonly log: Logger;
  /** What it was at the start. */
  readonly #first: LogLevel;
  readonly #listeners = new Set<(level: LogLevel) => void>();

  constructor(options: ServiceLogOptions | undefined) {
    const { level = 'info', format = 'json', write = toStderr } = options ?? {};
    this.#first = options ? level : 'silent';
    this.log = pino(
      {
        level: this.#first,
        // Neither of them changes, and journald, Docker and whoever collects lines know both.
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      { write: format === 'json' ? write : (line) => write(pretty(line)) },
    );
  }

  get level(): LogLevel {
    return this.log.level as LogLevel;
  }

  set level(level: LogLevel) {
    const before = this.level;
    if (level === before) return;
    // Told at the more talkative of the two, so that it is told.
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(before)) this.log.level = level;
    this.log.info({ from: before, to: level }, 'log level');
    this.log.level = level;
    for (const call of this.#listeners) call(level);
  }

  /** `debug` and back. */
  cycle(): void {
    this.level = this.level === 'debug' ? (this.#first === 'debug' ? 'info' : this.#first) : 'debug';
  }

  /** Calls now, and whenever it is another. */
  readonly onLevel = (call: (level: LogLevel) => void): void => {
    this.#listeners.add(call);
    call(this.level);
  };
}

/** Synchronous for files, terminals and pipes: the last line before a death is written. */
function toStderr(line: string): void {
  process.stderr.write(line);
}
