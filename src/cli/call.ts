import { text as textOf } from 'node:stream/consumers';
import {
  type Chunk,
  createEngine,
  type Engine,
  type EngineOptions,
  lineOf,
  type Result,
  type StdioRequest,
} from '../index.js';
import type { CallFlags, CallWords } from './call-flags.js';
import { configOf } from './configured.js';
import { exitStatus } from './exit-status.js';
import { Interrupts } from './interrupts.js';
import { type Io, UsageError } from './io.js';
import { startEngine } from './start-engine.js';
import { visible } from './visible.js';

export interface CallDeps {
  createEngine(options: EngineOptions): Promise<Pick<Engine, 'result' | 'stream' | 'close'>>;
}

type Answer = Result<unknown, { result?: unknown; error?: { code: number; message: string; data?: unknown } }>;

/** `keylane call`: one request to a server of the configuration. Resolves with the exit status. */
export async function call(
  words: CallWords,
  flags: CallFlags,
  io: Io,
  deps: CallDeps = { createEngine },
): Promise<number> {
  if (flags.follow && flags.cache !== undefined)
    throw new UsageError('--follow and --cache exclude each other: what is remembered has no progress');
  const { engine: options } = await configOf(flags, io);
  const request = await requestOf(words, flags, io);
  const engine = await startEngine(deps.createEngine, { ...options, shards: 1, lazyShards: true });
  const stop = new AbortController();
  const cut = () => stop.abort();
  const interrupts = new Interrupts(io, { drain: cut, cut });
  try {
    const answer = await answerOf(engine, request, flags, stop.signal, io);
    print(answer, flags, io);
    const outcomes = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0, [answer.outcome]: 1 };
    // What cannot be asked is wrong on the command line.
    if (answer.error?.code === 'ERR_INPUT' && answer.attempts === 0) return 2;
    return exitStatus({ interrupted: interrupts.status, outputFailed: false, outcomes, maxRc: undefined });
  } finally {
    interrupts.stop();
    await engine.close();
  }
}

async function requestOf(
  { server, method, params: typed }: CallWords,
  flags: CallFlags,
  io: Io,
): Promise<StdioRequest> {
  const request: StdioRequest = { server, method };
  if (flags.session !== undefined) request.session = flags.session;
  if (flags.notify) request.notify = true;
  if (typed === undefined) return request;
  const text = typed === '-' ? await textOf(io.stdin) : typed;
  try {
    request.params = JSON.parse(text) as object;
  } catch (error) {
    const where = typed === '-' ? 'standard input' : 'the parameters';
    throw new UsageError(`${where}: no JSON: ${visible((error as Error).message)}; quote it as '{"name":"value"}'`);
  }
  return request;
}

async function answerOf(
  engine: Pick<Engine, 'result' | 'stream'>,
  request: StdioRequest,
  { follow, timeout, cache, format }: CallFlags,
  signal: AbortSignal,
  io: Io,
): Promise<Answer> {
  const options = { signal, ...(timeout !== undefined && { timeoutMs: timeout }) };
  if (!follow)
    return engine.result('stdio', request, {
      ...options,
      ...(cache !== undefined && { cache: { ttlMs: cache, persist: true } }),
    });
  const stream = engine.stream('stdio', request, options);
  // Nobody is here to answer what the server asks.
  stream.end();
  try {
    for await (const message of messagesOf(stream)) {
      if (format === 'text') io.stderr.write(`${visible(message)}\n`);
      else io.stdout.write(`{"message":${message}}\n`);
    }
  } catch {
    // The result tells it.
  }
  return stream.result;
}

/** Each is a JSON text with a newline after it, in one chunk or in several. */
async function* messagesOf(chunks: AsyncIterable<Chunk>): AsyncGenerator<string> {
  const pieces: Buffer[] = [];
  for await (const { data } of chunks) {
    pieces.push(data);
    if (data.at(-1) !== NEWLINE) continue;
    for (const line of Buffer.concat(pieces.splice(0)).toString('utf8').split('\n')) if (line !== '') yield line;
  }
}

const NEWLINE = 0x0a;

function print(answer: Answer, { format }: CallFlags, io: Io): void {
  const { response, error } = answer;
  if (format !== 'text') {
    io.stdout.write(`${format === 'json' ? JSON.stringify(JSON.parse(lineOf(answer)), null, 2) : lineOf(answer)}\n`);
  } else if (error) {
    io.stderr.write(`keylane call: ${error.code}: ${visible(error.message)}\n`);
  } else if (response?.error) {
    const { code, message, data } = response.error;
    io.stderr.write(`keylane call: the server says: ${visible(message)} (${code})\n`);
    if (data !== undefined) io.stderr.write(json(data));
  } else if (response?.result !== undefined) {
    io.stdout.write(json(response.result));
  }
}

/** To be read, by people and by programs: what could steer a terminal is escaped, as JSON may be. */
function json(value: unknown): string {
  const escaped = (char: string) => `\\u${char.codePointAt(0)!.toString(16).padStart(4, '0')}`;
  return `${JSON.stringify(value, null, 2).replace(STEERING, escaped)}\n`;
}

/** What JSON leaves as it is: the second half of the control characters, and marks that turn the direction of writing. */
const STEERING = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
