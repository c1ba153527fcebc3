import { resolve } from 'node:path';
import type { Clock } from '../util/clock.js';
import { checkStore } from './check.js';
import { leftAs, lookAt, looksSame, noteLeft } from './closed.js';
import { privateDirectory } from './directory.js';
import { type Environment, openEnvironment } from './environment.js';
import { makeFiles } from './files.js';
import { storeError } from './trouble.js';
import { Users } from './users.js';

export interface OpenOptions {
  durable: boolean;
  clock: Clock;
}

/**
 * A directory that this process has open, once for all who opened it: two environments over one file in one process would
 * undo each other's locks (fcntl(2)).
 *
 *     opening ──▶ open (users > 0) ── the last one leaves ──▶ closing ──▶ gone
 */
export class Opened {
  readonly dir: string;
  readonly environment: Promise<Environment>;
  readonly #durable: boolean;
  readonly #processes: Users;
  /** Who opened it in this process. */
  #users = 0;
  #damaged = false;

  private constructor(dir: string, options: OpenOptions) {
    this.dir = dir;
    this.#durable = options.durable;
    this.#processes = new Users(dir);
    this.environment = this.#open(options);
  }

  static async enter(path: string, options: OpenOptions): Promise<Opened> {
    const dir = resolve(path);
    for (let closing = CLOSING.get(dir); closing; closing = CLOSING.get(dir)) await closing;
    let opened = OPEN.get(dir);
    if (!opened) {
      opened = new Opened(dir, options);
      OPEN.set(dir, opened);
    }
    if (opened.#durable !== options.durable)
      throw new Error(`${dir} is open as ${opened.#durable ? '' : 'not '}durable`);
    opened.#users++;
    try {
      await opened.environment;
    } catch (error) {
      await opened.leave();
      throw error;
    }
    return opened;
  }

  /** To be called once for each `enter`. */
  async leave(): Promise<void> {
    if (--this.#users > 0) return;
    OPEN.delete(this.dir);
    const closing = this.#close().finally(() => CLOSING.delete(this.dir));
    CLOSING.set(this.dir, closing);
    await closing;
  }

  /** Damage was found: whoever opens it next shall walk it. */
  suspect(): void {
    this.#damaged = true;
  }

  async #open({ durable, clock }: OpenOptions): Promise<Environment> {
    const dir = this.dir;
    let entered = false;
    try {
      privateDirectory(dir);
      makeFiles(dir);
      await checkStore(dir, this.#processes, { durable, clock });
      this.#processes.enter();
      entered = true;
      const environment = await openEnvironment(dir, { durable });
      // From its birth on, so that a file that is emptied does not pass for a new one.
      if (!leftAs(dir)) noteLeft(dir, lookAt(dir));
      return environment;
    } catch (error) {
      if (entered) this.#processes.leave();
      throw storeError(error, dir);
    }
  }

  async #close(): Promise<void> {
    const environment = await this.environment.catch(() => undefined);
    if (!environment) return;
    await environment.close();
    try {
      if (!this.#damaged) this.#noteLeft();
      this.#processes.leave();
    } catch {
      // The disk is full, or the directory was removed meanwhile. Without the note it is walked when it is opened next.
    }
  }

  /** Others may write on: who closes last notes what stays. */
  #noteLeft(): void {
    const look = lookAt(this.dir);
    const left = leftAs(this.dir);
    if (!left || !looksSame(left, look, false)) noteLeft(this.dir, look);
  }
}

const OPEN = new Map<string, Opened>();
const CLOSING = new Map<string, Promise<void>>();
