import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Engine, KeylaneError, type SshRequest } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEngine } from '../support/engine.js';
import { loginTo } from '../support/ssh-login.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

const MIB = 1 << 20;
/** What a hostile server may cost (S12). */
const MOST_BYTES = 64 * MIB;
/** For one that breaks no rule, and is ended by the deadline of its call; and for one that does, on a busy machine. */
const CALL_MS = 2_000;
const BREAKER_MS = 20_000;
/** What a neighbour on the same shard waits at most, beside so many times what it takes alone on this machine now. */
const NEIGHBOUR_MS = 3_000;

let dir: string;
let sshd: Sshd;
let child: ChildProcess;
let port: number;
const closed: string[] = [];
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-hostile-'));
  newKey(join(dir, 'host'));
  newKey(join(dir, 'identity'));
  sshd = await startSshd({ addresses: ['127.0.0.2'] });
  const program = fileURLToPath(new URL('../support/programs/hostile-server.mjs', import.meta.url));
  child = fork(program, { execArgv: [], env: { ...process.env, HOST_KEY: readFileSync(join(dir, 'host'), 'utf8') } });
  port = await new Promise((resolve) =>
    child.on('message', (said: { port?: number; closed?: string }) => {
      if (said.port !== undefined) resolve(said.port);
      if (said.closed !== undefined) closed.push(said.closed);
    }),
  );
});
afterAll(async () => {
  child.kill('SIGKILL');
  await sshd.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** What each does is in test/support/programs/hostile-server.mjs. */
test.each<{ user: string; does: string; ends: RegExp; says?: RegExp; request?: Partial<SshRequest> }>([
  {
    user: 'crumbs',
    does: 'sends output byte by byte',
    ends: /^ERR_TIMEOUT unknown$/,
    request: { maxOutputBytes: 1 << 30 },
  },
  { user: 'nothing', does: 'sends output of no bytes for ever', ends: /^ERR_TIMEOUT unknown$/ },
  { user: 'banners', does: 'sends banners for ever', ends: /^ERR_PROTOCOL not_started$/, says: /BANNER/ },
  { user: 'failures', does: 'refuses what nobody tried', ends: /^ERR_(AUTH|PROTOCOL) not_started$/ },
  { user: 'signatures', does: 'asks for signatures for ever', ends: /^ERR_PROTOCOL not_started$/, says: /PK_OK/ },
  {
    user: 'prompts',
    does: 'asks for the password for ever',
    ends: /^ERR_(AUTH|PROTOCOL) not_started$/,
    request: { password: 'env:KEYLANE_TEST_PASSWORD' },
  },
  { user: 'channels', does: 'opens channels for ever', ends: /^ERR_PROTOCOL unknown$/, says: /CHANNEL_OPEN/ },
  {
    user: 'globals',
    does: 'asks for ever and reads no answer',
    ends: /^ERR_PROTOCOL unknown$/,
    says: /GLOBAL_REQUEST/,
  },
  { user: 'requests', does: 'asks on a channel for ever', ends: /^ERR_PROTOCOL unknown$/, says: /CHANNEL_REQUEST/ },
  { user: 'rekeys', does: 'changes keys for ever', ends: /^ERR_PROTOCOL unknown$/, says: /key exchanges/ },
  {
    user: 'packets',
    does: 'takes packets of no bytes',
    ends: /^ERR_PROTOCOL not_started$/,
    says: /packets of 0 bytes/,
    request: { stdin: 'x' },
  },
  { user: 'good-bye', does: 'says good-bye and stays', ends: /^ERR_CONNECTION_LOST unknown$/ },
])('a server that $does costs no memory and nobody but itself (S12)', async ({ user, ends, says, request }) => {
  process.env.KEYLANE_TEST_PASSWORD = 'hunter2';
  const engine = await startEngine({ ssh: { connectTimeoutMs: 8_000 } });
  await neighbour(engine);
  const alone = await took(() => neighbour(engine));
  closed.length = 0;
  const before = process.memoryUsage.rss();
  const call = engine
    .run(
      'ssh',
      { ...hostile(user), command: 'true', ...request },
      { timeoutMs: ends.source.includes('TIMEOUT') ? CALL_MS : BREAKER_MS },
    )
    .catch((error: unknown) => error);
  const most = await during(engine, call);
  const error = await call;
  if (!(error instanceof KeylaneError)) throw new Error(`it did not fail: ${JSON.stringify(error)?.slice(0, 200)}`);
  expect(`${error.code} ${error.outcome}`).toMatch(ends);
  if (says) expect(error.message).toMatch(says);
  expect(error.message).not.toContain('hunter2');
  expect(most.bytes - before).toBeLessThan(MOST_BYTES);
  expect(most.waitMs).toBeLessThan(NEIGHBOUR_MS + 20 * alone);
  expect(Object.values((await engine.stats()).shards.map(({ restarts }) => restarts))).toEqual([0]);
  // What broke the rules is cut at once; the rest when the command is given up.
  if (error.code === 'ERR_PROTOCOL') await expect.poll(() => closed, { timeout: 5_000 }).toContain(user);
});

test.each(['window', 'stderr'])(
  'a server that ignores the %s of a stream whose reader rests is cut (S12)',
  async (user) => {
    const engine = await startEngine();
    await neighbour(engine);
    const before = process.memoryUsage.rss();
    const stream = engine.stream('ssh', { ...hostile(user), command: 'true' }, { timeoutMs: 20_000 });
    const response = stream.response.catch((error: unknown) => error);
    await stream.next();
    const most = await during(engine, response);
    expect(await response).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'unknown' });
    expect(most.bytes - before).toBeLessThan(MOST_BYTES);
  },
);

test('a server that sends byte by byte to a reader who rests costs no memory (S12)', async () => {
  const engine = await startEngine();
  await neighbour(engine);
  const before = process.memoryUsage.rss();
  const stream = engine.stream('ssh', { ...hostile('crumbs'), command: 'true' }, { timeoutMs: CALL_MS });
  const response = stream.response.catch((error: unknown) => error);
  const most = await during(engine, response);
  expect(await response).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown' });
  expect(most.bytes - before).toBeLessThan(MOST_BYTES);
});

test('a server that takes all that is written and reads none of it stops the writer (S12)', async () => {
  const engine = await startEngine();
  await neighbour(engine);
  const before = process.memoryUsage.rss();
  const stream = engine.stream('ssh', { ...hostile('deaf'), command: 'cat' }, { timeoutMs: CALL_MS });
  let written = 0;
  let taken = 0;
  const response = stream.response
    .catch((error: unknown) => error)
    .finally(() => {
      taken = written;
    });
  let over = false;
  const writing = (async () => {
    const piece = Buffer.alloc(MIB, 'x');
    for (; !over && written < 1_024; written++) await stream.write(piece);
  })().catch(() => undefined);
  const most = await during(engine, response);
  // Until the call was over it was held up; after that what is written goes nowhere.
  expect(taken).toBeLessThan(64);
  over = true;
  await writing;
  expect(await response).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown' });
  expect(most.bytes - before).toBeLessThan(MOST_BYTES);
});

function hostile(user: string): SshRequest {
  const keys = { hostKeys: 'insecure', knownHosts: '/nonexistent', agent: 'none' } as const;
  return { host: '127.0.0.1', port, user, identity: join(dir, 'identity'), ...keys };
}

async function neighbour(engine: Engine): Promise<void> {
  expect((await engine.run('ssh', loginTo(sshd, { host: '127.0.0.2', command: 'true' }))).code).toBe(0);
}

async function took(act: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await act();
  return performance.now() - begun;
}

/** The most memory, and the longest wait of a neighbour, while a call goes on. */
async function during(engine: Engine, call: Promise<unknown>): Promise<{ bytes: number; waitMs: number }> {
  const most = { bytes: 0, waitMs: 0 };
  let over = false;
  const ended = call.then(() => {
    over = true;
  });
  while (!over) {
    most.waitMs = Math.max(most.waitMs, await took(() => neighbour(engine)));
    most.bytes = Math.max(most.bytes, process.memoryUsage.rss());
  }
  await ended;
  return most;
}
