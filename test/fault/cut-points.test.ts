import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine, type Engine, KeylaneError, type SshRequest, type SshResponse } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectNoLeaks, held } from '../support/leaks.js';
import { type Direction, type Fault, type FaultProxy, randomCut, startProxy } from '../support/proxy.js';
import { type Random, seeded, seedsOf } from '../support/seed.js';
import { sessionsEnded } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

const CUTS = process.env.KEYLANE_LONG ? 10_000 : 200;
const AT_ONCE = 24;
/** Of half the black holes. Shorter than what a connection gets to open, as it is by default: that outlives its request. */
const SOON_MS = 1_000;
const CONNECT_MS = 3_000;
/** Of all else, which is told or found out before. */
const LATE_MS = 20_000;
/** For a command that is stopped, and a machine that is busy. What never settles takes longer. */
const GRACE_MS = 15_000;
/** What a cut may be told as. */
const CODES = ['ERR_CONNECT', 'ERR_CONNECTION_LOST', 'ERR_PROTOCOL', 'ERR_TIMEOUT'];

/** What is sent, or copied: more than a packet, less than a window, and unlike itself wherever it is cut. */
const DATA = Buffer.from(Array.from({ length: 10_000 }, (_, i) => `${i}\n`).join(''));

/** A place to be cut at: the ports on which the hosts are reached, by way of this worker's proxies. */
interface Way {
  /** To the bastion, where there is one, then to the host. */
  bastion: FaultProxy;
  host: FaultProxy;
}

type Length = Record<Direction, number>;

interface Conversation {
  request(id: string, way: Way): SshRequest;
  /** Which of the two connections is cut. */
  cut: keyof Way;
  /** Whether the answer says all that an answer must. */
  complete(response: SshResponse, id: string): boolean;
  /** What there is of it in the end: `none`, `whole`, and all else is wrong. */
  witness(id: string): string;
}

let sshd: Sshd;
let bastion: Sshd;
let dir: string;
/** Where files are fetched to. */
let here: string;
let source: string;
beforeAll(async () => {
  [sshd, bastion] = await Promise.all([startSshd(), startSshd()]);
  dir = mkdtempSync(join(sshd.dir, 'cuts-'));
  chmodSync(dir, 0o777);
  here = mkdtempSync(join(sshd.dir, 'here-'));
  source = join(dir, 'source');
  writeFileSync(source, DATA);
  chmodSync(source, 0o644);
});
afterAll(() => Promise.all([sshd.stop(), bastion.stop()]));

/** Before it does anything it writes itself down: a line for each time that it was started. */
const commandOf = (id: string) => `echo started >> '${join(dir, id)}'; cat; echo done >&2; exit ${codeOf(id)}`;
/** Half of them end with 0, as a status that never came would if it were read as a number. */
const codeOf = (id: string) => (id.endsWith('0') || id.endsWith('5') ? 7 : 0);

function started(id: string): string {
  const file = join(dir, id);
  if (!existsSync(file)) return 'none';
  return readFileSync(file, 'utf8') === 'started\n' ? 'whole' : 'more than once';
}

function copied(folder: string, id: string): string {
  const file = join(folder, id);
  if (!existsSync(file)) return 'none';
  return readFileSync(file).equals(DATA) ? 'whole' : 'a part of the file';
}

const answered = ({ code, signal, stdout, stderr, truncated }: SshResponse, id: string) =>
  code === codeOf(id) && signal === null && stdout === `${DATA}` && stderr === 'done\n' && !truncated;
const allBytes = ({ code, bytes }: SshResponse) => code === 0 && bytes === DATA.length;

/** A lane of its own for each, so that each has a connection of its own; and a key for each worker. */
function laneOf(id: string, proxy: FaultProxy, of: Sshd) {
  const { user, identity } = of;
  const { address: host, port } = proxy;
  return {
    host,
    port,
    user,
    identity,
    hostKeys: 'insecure' as const,
    knownHosts: join(dir, `none-${id}`),
    agent: 'none',
  };
}

const exec = (id: string, way: Way) => ({ ...laneOf(id, way.host, sshd), command: commandOf(id), stdin: DATA });
const jump = (id: string, way: Way) => ({ ...exec(id, way), jump: [laneOf(id, way.bastion, bastion)] });

const CONVERSATIONS: Record<string, Conversation> = {
  exec: { request: exec, cut: 'host', complete: answered, witness: started },
  put: {
    request: (id, way) => ({ ...laneOf(id, way.host, sshd), op: 'put', local: source, remote: join(dir, id) }),
    cut: 'host',
    complete: allBytes,
    witness: (id) => copied(dir, id),
  },
  get: {
    request: (id, way) => ({ ...laneOf(id, way.host, sshd), op: 'get', remote: source, local: join(here, id) }),
    cut: 'host',
    complete: allBytes,
    witness: (id) => copied(here, id),
  },
  'exec behind a bastion, before it': { request: jump, cut: 'bastion', complete: answered, witness: started },
  'exec behind a bastion, after it': { request: jump, cut: 'host', complete: answered, witness: started },
};

interface Cut {
  id: string;
  name: string;
  fault: Fault;
  timeoutMs: number;
}

test.each(seedsOf('cut-points'))(
  'wherever a connection is cut, what is said of it is true, nothing is left, and the host serves again (S7, seed %i)',
  async (seed) => {
    const random = seeded(seed);
    const names = Object.keys(CONVERSATIONS);
    const lengths = await Promise.all(names.map((name) => lengthOf(name, `${seed}-${names.indexOf(name)}`)));
    await sessionsEnded(sshd);
    const before = held();
    const engine = await newEngine();
    const cuts = Array.from({ length: CUTS }, (_, i): Cut => {
      const at = i % names.length;
      const cut = cutIn(lengths[at] as Length, random);
      const timeoutMs = cut.by === 'blackhole' && random.below(2) === 0 ? SOON_MS : LATE_MS;
      return { id: `${seed}-${i}`, name: names[at] as string, fault: { cut }, timeoutMs };
    });
    const said: (Cut & { outcome: string; says: string })[] = [];
    const left = cuts.values();
    const worker = async () => {
      await using way = await newWay();
      for (const cut of left) {
        said.push({ ...cut, ...(await outcomeOf(engine, way, cut)) });
        await servesAgain(engine, way, cut);
        await forget(way);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const { inFlight, queued, shards } = await engine.stats();
    // An exception that nobody caught would have ended the shard.
    expect([inFlight, queued, ...shards.map(({ restarts }) => restarts)]).toEqual([0, 0, 0, 0]);
    await engine.close();
    // Nothing that a host was sent is still to come.
    await Promise.all([sessionsEnded(sshd), sessionsEnded(bastion)]);
    await expectNoLeaks(before);
    // Of a file that did not come whole nothing is left.
    expect(readdirSync(here).filter((name) => name.startsWith('.'))).toEqual([]);

    const judged = said.map((one) => ({ ...one, witness: conversationOf(one.name).witness(one.id) }));
    expect(judged.filter(({ outcome, witness }) => !isTrue(outcome, witness))).toEqual([]);
    // Cuts of every kind were there: before it left, after, and too late to matter.
    const outcomes = said.map(({ outcome }) => outcome);
    const least = ['ok', 'not_started', 'unknown'].map((outcome) => outcomes.filter((one) => one === outcome).length);
    expect([said.length, Math.min(...least) > 0]).toEqual([CUTS, true]);
  },
  Math.max(120_000, CUTS * 300),
);

/** A get changes nothing on the host, so of a copy that did not come whole it may say that it was not started. */
function isTrue(outcome: string, witness: string): boolean {
  if (outcome === 'ok') return witness === 'whole';
  if (outcome === 'not_started') return witness === 'none';
  return outcome === 'unknown' && (witness === 'none' || witness === 'whole');
}

/** A third of them in the handshake and the log-in, a third around the end: most bytes are data, and all alike. */
function cutIn(length: Length, random: Random): NonNullable<Fault['cut']> {
  const cut = randomCut(random, length);
  const whole = length[cut.direction];
  const part = Math.min(whole, 5_000);
  const after = random.pick([cut.after, random.below(part), whole - 1 - random.below(Math.min(whole, 500))]);
  return { ...cut, after };
}

function newEngine(): Promise<Engine> {
  // No longer than its run, so that the end of a connection is cut, too. A silent one is given up soon.
  // Every cut must meet a connection: nobody is let alone.
  const limits = { idleMs: 1, breaker: false } as const;
  return createEngine({ shards: 2, limits, ssh: { keepaliveMs: 400, connectTimeoutMs: CONNECT_MS } });
}

async function newWay(): Promise<Way & AsyncDisposable> {
  const to = (of: Sshd) => startProxy({ to: { host: '127.0.0.1', port: of.port } });
  const way = { bastion: await to(bastion), host: await to(sshd) };
  const stop = async () => void (await Promise.all([way.bastion.stop(), way.host.stop()]));
  return { ...way, [Symbol.asyncDispose]: stop };
}

/** Ends what a proxy still holds of the last conversation. */
async function forget(way: Way): Promise<void> {
  const connections = [way.bastion, way.host].flatMap((proxy) => proxy.connections.splice(0));
  await Promise.all(connections.map((connection) => connection.destroy()));
}

async function outcomeOf(engine: Engine, way: Way, { id, name, fault, timeoutMs }: Cut) {
  const { request, cut, complete } = conversationOf(name);
  way[cut].fault = fault;
  const from = performance.now();
  try {
    const response = await engine.run('ssh', request(id, way), { timeoutMs });
    const { stdout, stderr, ...rest } = response;
    const says = `${JSON.stringify(rest)}, ${stdout.length} and ${stderr.length} bytes`;
    return { outcome: complete(response, id) ? 'ok' : 'an answer that is not whole', says };
  } catch (error) {
    return { outcome: causeOf(error).outcome, says: String(error) };
  } finally {
    expect(performance.now() - from).toBeLessThan(timeoutMs + GRACE_MS);
    way[cut].fault = {};
  }
}

function causeOf(error: unknown): KeylaneError {
  if (!(error instanceof KeylaneError)) throw error;
  expect(CODES, error.message).toContain(error.code);
  return error;
}

/**
 * The same lane of the same key, with no time to get over it: no breaker is open, no place is taken for good. Of a black hole
 * and of what has just come, nobody can know before it is tried, so the first try may be the one that finds it out.
 */
async function servesAgain(engine: Engine, way: Way, { id, name }: Cut): Promise<void> {
  const { op: _, local: __, remote: ___, ...request } = conversationOf(name).request(id, way);
  for (let tries = 1; ; tries++) {
    try {
      const { code } = await engine.run('ssh', { ...request, stdin: '', command: 'exit 3' }, { timeoutMs: LATE_MS });
      expect(code).toBe(3);
      return;
    } catch (error) {
      // On a busy machine a log-in takes its time.
      if (causeOf(error).code === 'ERR_PROTOCOL' || tries === 4) throw error;
    }
  }
}

/** Bytes of a conversation, from the first of the handshake to the connection's end, where nothing goes wrong. */
async function lengthOf(name: string, id: string): Promise<Length> {
  const { request, complete, witness, cut } = conversationOf(name);
  await using way = await newWay();
  const engine = await createEngine({ shards: 1, limits: { idleMs: 1 } });
  const response = await engine.run('ssh', request(`${id}-whole`, way), { timeoutMs: LATE_MS });
  await engine.close();
  expect([complete(response, `${id}-whole`), witness(`${id}-whole`)]).toEqual([true, 'whole']);
  const [connection] = way[cut].connections;
  return { up: connection?.count('up') ?? 0, down: connection?.count('down') ?? 0 };
}

function conversationOf(name: string): Conversation {
  return CONVERSATIONS[name] as Conversation;
}
