import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Engine, KeylaneError } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEngine } from '../support/engine.js';
import { expectNoLeaks, held } from '../support/leaks.js';
import { worstLag } from '../support/loop-lag.js';
import { type Random, seeded, seedsOf } from '../support/seed.js';
import { newKey } from '../support/sshd.js';

const FAULTS = process.env.KEYLANE_LONG ? 10_000 : 500;
const AT_ONCE = 16;
/** What says nothing more is given up after this. */
const CONNECT_MS = 400;
/** Of the error, until the server has seen us go. */
const GONE_MS = 100;

const KINDS = [
  ...['noise', 'replace', 'half', 'flip', 'twice', 'drop', 'reset', 'noise and reset'],
  ...['message', 'message first', 'messages', 'endless line', 'endless lines'],
];
/** Messages of SSH, and some that are none. */
const TYPES = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 20, 21, 30, 31, 32, 33, 34, 50, 51, 52, 53, 60, 61, 80, 81, 82],
  ...[90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 192, 255],
];

/** What the server does wrong at which of its writes: the banner, KEXINIT, the reply, NEWKEYS and so on to the command's end. */
interface Fault {
  step: number;
  kind: string;
  /** Base64. */
  bytes: string;
  next: 'go on' | 'stop' | 'end';
}

let dir: string;
let server: FuzzingServer;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-fuzz-'));
  newKey(join(dir, 'host'));
  newKey(join(dir, 'identity'));
  server = await FuzzingServer.start(readFileSync(join(dir, 'host'), 'utf8'));
});
afterAll(() => {
  server.stop();
  rmSync(dir, { recursive: true, force: true });
});

test.each(seedsOf('fuzzed-handshake'))(
  'a server that does anything wrong at any step ends its own connection, at once, and nothing else (S19, seed %i)',
  async (seed) => {
    const random = seeded(seed);
    const engine = await startEngine({
      // Every fault must meet a connection: nobody is let alone.
      limits: { idleMs: 1, connectTimeoutMs: CONNECT_MS, breaker: false },
      ssh: { connectTimeoutMs: CONNECT_MS, keepaliveMs: 100, hostKeys: 'insecure', knownHosts: '/nonexistent' },
    });
    // The first connection takes what a shard keeps.
    expect(await served(engine, server.ports[0] as number)).toBe('ok');
    const before = held();
    const outcomes = new Map<string, number>();
    const late: string[] = [];
    let left = FAULTS;
    const worker = async (port: number) => {
      while (left > 0) {
        const number = left--;
        const fault = faultOf(random);
        const outcome = await outcomeOf(engine, port, fault, number, (ms) =>
          late.push(`${ms} ms: ${JSON.stringify(fault)}`),
        );
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    };
    const all = Promise.all(server.ports.map(worker));
    const lag = await worstLag(all);
    await all;
    // An exception that nobody caught would have ended the shard.
    expect((await engine.stats()).shards.map(({ restarts }) => restarts)).toEqual([0]);
    expect(late.filter((line) => Number.parseFloat(line) > GONE_MS + 3 * lag)).toEqual([]);
    // Some faults are none to who reads them, and most are.
    expect(outcomes.get('ok')).toBeGreaterThan(0);
    expect(outcomes.get('ERR_CONNECT not_started')).toBeGreaterThan(FAULTS / 10);
    expect(await served(engine, server.ports[0] as number)).toBe('ok');
    await engine.close();
    await expectNoLeaks(before);
  },
  Math.max(120_000, FAULTS * 100),
);

/** How a command on a host with this fault ended; `gone` is told how long after an error the connection was closed. */
async function outcomeOf(engine: Engine, port: number, fault: Fault, number: number, gone?: (ms: number) => void) {
  const { closed } = await server.next(port, fault);
  // Another user is another lane, and so another connection.
  const who = { host: '127.0.0.1', port, user: `u${number}`, identity: join(dir, 'identity') };
  try {
    await engine.run('ssh', { ...who, command: 'true' }, { timeoutMs: 2_000 });
    await closed;
    return 'ok';
  } catch (error) {
    if (!(error instanceof KeylaneError)) throw error;
    const from = performance.now();
    await closed;
    gone?.(performance.now() - from);
    return `${error.code} ${error.outcome}`;
  }
}

/** How a command ended where nothing goes wrong. On a busy machine a log-in may take longer than it is given here. */
async function served(engine: Engine, port: number): Promise<string> {
  for (let tries = 1; ; tries++) {
    const outcome = await outcomeOf(engine, port, harmless(), 0);
    if (outcome !== 'ERR_CONNECT not_started' || tries === 5) return outcome;
  }
}

function faultOf(random: Random): Fault {
  const kind = random.pick(KINDS);
  // The writes of a whole run, command included, are about a dozen; without ssh2's native part more.
  const step = kind.startsWith('endless') ? 0 : random.below(16);
  const length = random.pick([1, 2, 5, 20, 200, 2_000]);
  const bytes = Buffer.from(Array.from({ length: length + 1 }, () => random.below(256)));
  // A body of zeros reads as empty strings, so that the message is a good one at a bad time.
  if (kind.startsWith('message')) {
    bytes[0] = random.pick(TYPES);
    if (random.below(2) === 0) bytes.fill(0, 1);
  }
  return { step, kind, bytes: bytes.toString('base64'), next: random.pick(['go on', 'go on', 'stop', 'end'] as const) };
}

function harmless(): Fault {
  return { step: -1, kind: 'drop', bytes: '', next: 'go on' };
}

/** The program in test/support/programs, with a port for each of those who use it. */
class FuzzingServer {
  readonly ports: readonly number[];
  readonly #child: ChildProcess;
  readonly #ready = new Map<number, () => void>();
  readonly #closed = new Map<number, () => void>();

  static async start(hostKey: string): Promise<FuzzingServer> {
    const program = fileURLToPath(new URL('../support/programs/fuzzing-server.mjs', import.meta.url));
    const child = fork(program, {
      execArgv: [],
      env: { ...process.env, HOST_KEY: hostKey, LISTENERS: String(AT_ONCE) },
    });
    const [first] = await new Promise<[{ ports: number[] }]>((resolve) =>
      child.once('message', (message) => resolve([message as { ports: number[] }])),
    );
    return new FuzzingServer(child, first.ports);
  }

  constructor(child: ChildProcess, ports: readonly number[]) {
    this.#child = child;
    this.ports = ports;
    child.on('message', (message: { ready?: number; closed?: number }) => {
      if (message.ready !== undefined) this.#ready.get(message.ready)?.();
      if (message.closed !== undefined) this.#closed.get(message.closed)?.();
    });
  }

  /** The next connection to the port gets this fault. Resolves when that is so; `closed` when it has ended. */
  async next(port: number, fault: Fault): Promise<{ closed: Promise<void> }> {
    const closed = new Promise<void>((resolve) => this.#closed.set(port, resolve));
    await new Promise<void>((resolve) => {
      this.#ready.set(port, resolve);
      this.#child.send({ port, fault });
    });
    return { closed };
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}
