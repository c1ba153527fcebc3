import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, connect } from '../client/index.js';
import { type Clock, dataDirectory, KeylaneError, systemClock } from '../index.js';
import { painter } from './colors.js';
import { configOf } from './configured.js';
import { signalStatus } from './exit-status.js';
import { type Io, UsageError } from './io.js';
import type { TopFlags } from './top-flags.js';
import { type FrameShape, frame } from './top-frame.js';
import { type Look, lookAt } from './top-look.js';
import { type Key, TopTerminal } from './top-terminal.js';

const EVERY_MS = 1_000;
/** A service that does not answer for so long is said to be away. */
const ANSWER_MS = 5_000;
const SNAPSHOT_COLUMNS = 120;

/** `keylane top`. */
export async function top(flags: TopFlags, io: Io, clock: Clock = systemClock): Promise<number> {
  const client = await serviceOf(flags, io);
  try {
    const isLive = io.stdout.isTTY === true && !flags.once && flags.format === 'text';
    if (isLive) return await new Live(client, flags.url, io, clock).run();
    if (flags.format === 'ndjson' && !flags.once) return await everySecond(client, io, clock);
    return await snapshot(client, flags, io);
  } finally {
    await client.destroy();
  }
}

async function snapshot(client: Client, { format, url }: TopFlags, io: Io): Promise<number> {
  const look = await lookAt(client);
  if (format !== 'text') {
    io.stdout.write(`${JSON.stringify(look, null, format === 'json' ? 2 : undefined)}\n`);
    return 0;
  }
  const columns = io.stdout.columns ?? SNAPSHOT_COLUMNS;
  const paint = painter('auto', io.stdout.isTTY === true, io.env);
  const { lines } = frame(look, { ...STILL, columns, url }, paint);
  io.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

const STILL = { rows: undefined, scroll: 0, sort: 'requests', paused: false, trouble: undefined, keys: false } as const;

/** Lines for a program. It ends with whoever reads them, or by a signal. */
async function everySecond(client: Client, io: Io, clock: Clock): Promise<number> {
  const ended = new Ended(io);
  io.stdout.on('error', () => ended.end(0));
  try {
    while (ended.status === undefined) {
      const look = await Promise.race([lookAt(client), ended.ended]);
      if (typeof look === 'number') break;
      if (!io.stdout.writableNeedDrain) io.stdout.write(`${JSON.stringify(look)}\n`);
      await ended.within(EVERY_MS, clock);
    }
    return await ended.ended;
  } finally {
    ended.stop();
  }
}

/** The dashboard: looks each second, shows what it saw, and goes on where the service is away. */
class Live {
  readonly #client: Client;
  readonly #terminal: TopTerminal;
  readonly #clock: Clock;
  readonly #ended: Ended;
  readonly #paint: ReturnType<typeof painter>;
  readonly #shape: FrameShape;
  #look: Look | undefined = undefined;
  #most = 0;

  constructor(client: Client, url: string, io: Io, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
    this.#ended = new Ended(io);
    this.#paint = painter('auto', true, io.env);
    this.#terminal = new TopTerminal(
      io,
      (key) => this.#pressed(key),
      () => this.#draw(),
    );
    this.#shape = { ...STILL, columns: 0, url, keys: this.#terminal.hasKeys };
  }

  async run(): Promise<number> {
    this.#terminal.enter();
    try {
      while (this.#ended.status === undefined) {
        if (!this.#shape.paused) await this.#see();
        this.#draw();
        await this.#ended.within(EVERY_MS, this.#clock);
      }
      return this.#ended.status;
    } finally {
      this.#ended.stop();
      this.#terminal.leave();
    }
  }

  async #see(): Promise<void> {
    try {
      const look = await Promise.race([lookAt(this.#client), this.#ended.ended]);
      if (typeof look === 'number') return;
      this.#look = look;
      this.#shape.trouble = undefined;
    } catch (error) {
      this.#shape.trouble = error instanceof KeylaneError ? error.message : String(error);
    }
  }

  #draw(): void {
    const { columns, rows } = this.#terminal;
    const { lines, most } = frame(this.#look, { ...this.#shape, columns, rows }, this.#paint);
    this.#most = most;
    this.#shape.scroll = Math.min(this.#shape.scroll, most);
    this.#terminal.show(lines);
  }

  #pressed(key: Key): void {
    const shape = this.#shape;
    const page = Math.max(1, this.#terminal.rows - 8);
    const moves: Partial<Record<Key, number>> = { up: -1, down: 1, page_up: -page, page_down: page };
    if (key === 'quit') this.#ended.end(0);
    else if (key === 'interrupt') this.#ended.end(signalStatus('SIGINT'));
    else if (key === 'pause') shape.paused = !shape.paused;
    else if (key === 'sort') shape.sort = shape.sort === 'requests' ? 'time' : 'requests';
    else if (key === 'top') shape.scroll = 0;
    else if (key === 'end') shape.scroll = this.#most;
    else shape.scroll = Math.min(this.#most, Math.max(0, shape.scroll + (moves[key] ?? 0)));
    this.#draw();
  }
}

/** The end of the command, and its exit status: by a key, or a signal. */
class Ended {
  status: number | undefined = undefined;
  readonly ended: Promise<number>;
  readonly #io: Io;
  readonly #listeners: [NodeJS.Signals, () => void][];
  #resolve!: (status: number) => void;

  constructor(io: Io) {
    this.#io = io;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    this.#listeners = signals.map((signal) => [signal, () => this.end(signalStatus(signal))]);
    for (const [signal, listener] of this.#listeners) io.on(signal, listener);
  }

  end(status: number): void {
    this.status ??= status;
    this.#resolve(this.status);
  }

  /** Resolves after so long, or at the end. */
  async within(ms: number, clock: Clock): Promise<void> {
    let timer: { cancel(): void } | undefined;
    const over = new Promise<void>((resolve) => {
      timer = clock.timer(ms, resolve);
    });
    await Promise.race([over, this.ended]);
    timer?.cancel();
  }

  stop(): void {
    for (const [signal, listener] of this.#listeners) this.#io.off(signal, listener);
  }
}

async function serviceOf(flags: TopFlags, io: Io): Promise<Client> {
  const { url, ca, allowInsecure } = flags;
  try {
    return await connect({
      url,
      token: await tokenOf(flags, io),
      timeoutMs: ANSWER_MS,
      ...(ca !== undefined && { ca: await textIn('--ca', ca) }),
      ...(allowInsecure && { allowInsecure }),
    });
  } catch (error) {
    if (error instanceof KeylaneError && error.code === 'ERR_CONFIG') throw new UsageError(error.message);
    throw error;
  }
}

/** As it is read again where the service refuses it: after a start of the service there may be another. */
async function tokenOf(flags: TopFlags, io: Io): Promise<string> {
  const { tokenFile, url } = flags;
  if (tokenFile !== undefined) return `file:${tokenFile}`;
  const { KEYLANE_TOKEN: given } = io.env;
  if (given) return given;
  // The token of this machine's service is for nobody else.
  if (!isHere(url)) throw new UsageError(`no token for ${url}: give --token-file FILE, or the variable KEYLANE_TOKEN`);
  const { engine } = await configOf(flags, io);
  return `file:${join(dataDirectory(engine.dataDir, io.env as NodeJS.ProcessEnv), 'serve.token')}`;
}

function isHere(url: string): boolean {
  try {
    const { hostname } = new URL(url);
    return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d+){3}$/.test(hostname);
  } catch {
    throw new UsageError(`--url ${url}: write the address of a service, as http://127.0.0.1:7473`);
  }
}

async function textIn(flag: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${flag} ${file}: ${(error as Error).message}`);
  }
}
