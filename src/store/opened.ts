import { resolve } from 'node:path';
import { privateDirectory } from './directory.js';
import { type Environment, type EnvironmentOptions, openEnvironment } from './environment.js';
import { makeFiles } from './files.js';
import { storeError } from './trouble.js';

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
  #users = 0;

  private constructor(dir: string, options: EnvironmentOptions) {
    this.dir = dir;
    this.#durable = options.durable;
    this.environment = open(dir, options);
  }

  static async enter(path: string, options: EnvironmentOptions): Promise<Opened> {
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

  async #close(): Promise<void> {
    const environment = await this.environment.catch(() => undefined);
    await environment?.close();
  }
}

async function open(dir: string, options: EnvironmentOptions): Promise<Environment> {
  try {
    privateDirectory(dir);
    makeFiles(dir);
    return await openEnvironment(dir, options);
  } catch (error) {
    throw storeError(error, dir);
  }
}

const OPEN = new Map<string, Opened>();
const CLOSING = new Map<string, Promise<void>>();
