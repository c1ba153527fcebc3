import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEngine, type Engine, KeylaneError, type SshRequest } from 'keylane';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startEngine } from '../support/engine.js';
import { loginTo, sessionsEnded } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

const MIB = 1 << 20;
/** What a hostile server may cost (S12). */
const MOST_BYTES = 64 * MIB;
/** For one that breaks no rule, and is ended by the deadline of its call. */
const CALL_MS = 1_000;

let sshd: Sshd;
let dir: string;
let here: string;
/** Meets all the lies but silence, one after the other. */
let engine: Engine;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-hostile-sftp-'));
  chmodSync(dir, 0o755);
  // A copy, because the account may not enter the folder that this is in.
  const program = join(dir, 'server.mjs');
  copyFileSync(fileURLToPath(new URL('../support/programs/hostile-sftp.mjs', import.meta.url)), program);
  sshd = await startSshd({ config: [`Subsystem sftp ${process.execPath} ${program} ${join(dir, 'lie')}`] });
  engine = await createEngine({ shards: 1 });
});
afterAll(async () => {
  await engine.destroy('the tests are over');
  await sshd.stop();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => {
  here = mkdtempSync(join(dir, 'here-'));
  writeFileSync(join(here, 'source'), Buffer.alloc(300_000, 'keylane '));
});

interface Lie {
  lie: string;
  op: 'get' | 'put';
  /** Code and outcome of the error, or the response's own `code`. */
  ends: string;
  says: RegExp;
  /** Of one that is ended because it does not answer. The log-in must fit in, too. */
  connectTimeoutMs?: number;
}

const get = (lie: string, ends: string, says: RegExp, other: Partial<Lie> = {}): Lie => {
  return { lie, op: 'get', ends, says, ...other };
};
const put = (lie: string, ends: string, says: RegExp, other: Partial<Lie> = {}): Lie => {
  return { lie, op: 'put', ends, says, ...other };
};
const BROKEN = 'ERR_PROTOCOL not_started';
const LOST = 'ERR_CONNECTION_LOST not_started';
const SILENT = { connectTimeoutMs: 3_000 };

/** What each does is in test/support/programs/hostile-sftp.mjs. */
test.each<Lie>([
  get('a silent one', BROKEN, /did not answer/, SILENT),
  get('a talkative shell', BROKEN, /print at log-in/),
  get('a length of 4 GiB', BROKEN, /no message of SFTP/),
  get('a message of no bytes', BROKEN, /no message of SFTP/),
  get('a torn greeting', BROKEN, /shorter than it says/),
  get('greetings for ever', BROKEN, /answer to nothing/),
  get('the id of nobody', BROKEN, /answer to nothing/),
  get('attributes cut off', BROKEN, /shorter than it says/),
  get('attributes of 1 byte', BROKEN, /shorter than it says/),
  get('a size past all numbers', BROKEN, /53 bits/),
  get('a status without a code', BROKEN, /shorter than it says/),
  get('no answer to a read', BROKEN, /did not answer/, SILENT),
  get('more data than asked', BROKEN, /bytes for a read of/),
  get('data of no bytes', BROKEN, /0 bytes for a read of/),
  get('data cut off', BROKEN, /shorter than it says/),
  get('a message cut off', LOST, /ended the subsystem/),
  get('an end within the reads', LOST, /ended the subsystem/),
  get('data that nobody asked', BROKEN, /answer to nothing/),
  put('a success for what was not written', 'failed 1', /it has 0 bytes after 300000 were written/),
  put('an end within the writes', LOST, /ended the subsystem/),
  put('a handle for a write', BROKEN, /answer to nothing/),
  ...(process.env.KEYLANE_LONG ? [put('no answer to a write', BROKEN, /did not answer/, SILENT)] : []),
  put('two names for a path', BROKEN, /not one name/),
  put('an end at the rename', 'ERR_CONNECTION_LOST unknown', /ended the subsystem/),
  put('a torn answer to the rename', 'ERR_PROTOCOL unknown', /shorter than it says/),
])('a $op that meets $lie fails alone, and nothing is left here', async ({ lie, op, ends, says, ...rest }) => {
  const { connectTimeoutMs } = rest;
  const meeting = connectTimeoutMs === undefined ? engine : await startEngine({ ssh: { connectTimeoutMs } });
  await neighbour(meeting);
  tell(lie);
  const { ended, message, most } = await copy(meeting, { op, local: join(here, op === 'put' ? 'source' : 'copy') });
  expect(`${ended}: ${message}`).toMatch(new RegExp(`^${ends}: `));
  expect(message).toMatch(says);
  expect(most).toBeLessThan(MOST_BYTES);
  expect(readdirSync(here)).toEqual(['source']);
  await servesOn(meeting);
});

test('data without an end are taken until the deadline, and held no more than asked for', async () => {
  await neighbour(engine);
  tell('data for ever');
  const { ended, most } = await copy(engine, { op: 'get' }, CALL_MS);
  expect(ended).toBe('ERR_TIMEOUT not_started');
  expect(most).toBeLessThan(MOST_BYTES);
  await servesOn(engine);
});

test('a server that hides each byte in rubbish costs no memory, and is called off', async () => {
  await neighbour(engine);
  tell('bytes of rubbish behind each byte');
  const { ended, most } = await copy(engine, { op: 'get', local: join(here, 'copy') }, CALL_MS);
  expect(ended).toMatch(/^(ERR_TIMEOUT not_started|ok 0)$/);
  expect(most).toBeLessThan(MOST_BYTES);
  await servesOn(engine);
});

test('a file that comes byte by byte is whole', async () => {
  tell('single bytes');
  expect((await copy(engine, { op: 'get', local: join(here, 'copy') })).ended).toBe('ok 0');
  expect(readFileSync(join(here, 'copy'))).toEqual(Buffer.from(Array.from({ length: 300 }, (_, i) => i % 256)));
});

test('the host gives no file of ours the right to act as its owner', async () => {
  tell('a file that takes on rights');
  expect((await copy(engine, { op: 'get', local: join(here, 'copy') })).ended).toBe('ok 0');
  expect((statSync(join(here, 'copy')).mode & 0o7777).toString(8)).toBe('777');
});

test('a path that the host makes up stays on the host', async () => {
  tell('another place for a path');
  expect((await copy(engine, { op: 'put', local: join(here, 'source') })).ended).toBe('ok 0');
  expect(readdirSync(here)).toEqual(['source']);
});

test('nothing is held on the host for all these', async () => {
  await engine.close();
  await sessionsEnded(sshd);
});

/** The next SFTP session does this. */
function tell(lie: string): void {
  writeFileSync(join(dir, 'lie'), lie);
}

async function neighbour(engine: Engine): Promise<void> {
  expect((await engine.run('ssh', loginTo(sshd, { command: 'true' }))).code).toBe(0);
}

/** What became of it, and the most memory it took, while commands went on beside it. */
async function copy(
  engine: Engine,
  request: Partial<SshRequest>,
  timeoutMs = 20_000,
): Promise<{ ended: string; message: string; most: number }> {
  const before = process.memoryUsage.rss();
  let most = 0;
  let over = false;
  const call = engine
    .run('ssh', loginTo(sshd, { remote: '/x', ...request }), { timeoutMs })
    .then(
      ({ code, stderr }) => ({ ended: `${code === 0 ? 'ok' : 'failed'} ${code}`, message: String(stderr) }),
      (error: unknown) => {
        if (!(error instanceof KeylaneError)) throw error;
        return { ended: `${error.code} ${error.outcome}`, message: error.message };
      },
    )
    .finally(() => {
      over = true;
    });
  while (!over) {
    await neighbour(engine);
    most = Math.max(most, process.memoryUsage.rss() - before);
  }
  return { ...(await call), most };
}

/** The host takes copies again. */
async function servesOn(engine: Engine): Promise<void> {
  tell('none');
  const request = loginTo(sshd, { op: 'get', local: join(here, 'again'), remote: '/x' });
  expect(await engine.run('ssh', request)).toMatchObject({ code: 0, bytes: 100_000 });
}
