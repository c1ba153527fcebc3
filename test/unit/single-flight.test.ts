import { chmod, mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import { Answers } from '../../src/host/answers.ts';
import { deferred } from '../../src/util/deferred.ts';
import { SingleFlight } from '../../src/util/single-flight.ts';
import { encode } from '../../src/wire/codec.ts';
import { FrameReader } from '../../src/wire/frame-reader.ts';
import { Ledger } from '../../src/wire/ledger.ts';
import type { Command, Reply, RunCommand } from '../../src/wire/protocol.ts';
import { Identities } from '../../workers/drivers/ssh/identity.ts';
import { KnownHostsFiles } from '../../workers/drivers/ssh/known-hosts-file.ts';
import { serve } from '../../workers/shard.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { FakeDriver, LIMITS } from '../support/fake-driver.ts';

vi.mock('node:fs/promises', { spy: true });

const CALLERS = 1_000;
const crowd = <T>(ask: () => Promise<T>) => Promise.allSettled(Array.from({ length: CALLERS }, ask));
/** How often this file was read. */
const reads = (file: string) => vi.mocked(readFile).mock.calls.filter(([path]) => path === file).length;
const until = async (holds: () => boolean) => {
  while (!holds()) await settled();
};

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keylane-flight-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

test('all who ask while it is under way hear what it comes to, and the next flight is a new one', async () => {
  const flights = new SingleFlight<number>();
  const landings = [deferred<number>(), deferred<number>(), deferred<number>()];
  let started = 0;
  const ask = () => flights.run('a', () => landings[started++]?.promise as Promise<number>);
  const first = crowd(ask);
  void flights.run('b', () => Promise.resolve(0));
  expect(started).toBe(1);
  landings[0]?.reject(new Error('lost'));
  for (const one of await first) expect(one).toMatchObject({ status: 'rejected', reason: { message: 'lost' } });
  const second = crowd(ask);
  expect(started).toBe(2);
  landings[1]?.resolve(7);
  for (const one of await second) expect(one).toEqual({ status: 'fulfilled', value: 7 });
});

test('known_hosts is read once for 1,000 connections that open together; that it could not be is not remembered', async () => {
  const files = new KnownHostsFiles();
  const file = join(folder, 'known_hosts');
  await mkdir(file);
  for (const one of await crowd(() => files.read(file))) {
    expect(one).toMatchObject({ status: 'rejected', reason: { code: 'ERR_HOST_KEY' } });
  }
  expect(reads(file)).toBe(1);
  await rmdir(file);
  await writeFile(file, 'host ssh-ed25519 AAAA\n');
  await chmod(file, 0o600);
  for (const one of await crowd(() => files.read(file))) expect(one).toMatchObject({ status: 'fulfilled' });
  expect(reads(file)).toBe(2);
});

test('a key file is read once for 1,000 connections that open together; that it was unfit is not remembered', async () => {
  const identities = new Identities();
  const file = join(folder, 'key');
  await writeFile(file, 'no key', { mode: 0o600 });
  for (const one of await crowd(() => identities.look(file))) {
    expect(one).toMatchObject({ status: 'rejected', reason: { code: 'ERR_INPUT' } });
  }
  expect(reads(file)).toBe(1);
  const passphrase = 'open sesame';
  const { private: text } = ssh2.utils.generateKeyPairSync('ed25519', { passphrase, cipher: 'aes256-ctr', rounds: 1 });
  await writeFile(file, text);
  const looked = await crowd(() => identities.look(file));
  expect(new Set(looked.map(({ status }) => status))).toEqual(new Set(['fulfilled']));
  expect(reads(file)).toBe(2);
  // Its passphrase is asked for once too, and once more after a wrong one.
  const identity = await identities.look(file);
  let asked = 0;
  const answers = ['wrong', passphrase];
  const secret = async () => answers[asked++] ?? '';
  for (const one of await crowd(() => identities.unlock(identity, 'env:PASS', secret))) {
    expect(one).toMatchObject({ status: 'rejected', reason: { code: 'ERR_PASSPHRASE' } });
  }
  for (const one of await crowd(() => identities.unlock(identity, 'env:PASS', secret))) {
    expect(one.status).toBe('fulfilled');
  }
  expect(asked).toBe(2);
});

test('a secret in a file is read once for 1,000 who need it at once, and anew for the next', async () => {
  const file = join(folder, 'secret');
  const answers = new Answers(new FakeClock());
  const ask = () => answers.answer({ kind: 'ask', ask: 1, question: 'secret', about: `file:${file}` });
  for (const one of await crowd(ask)) expect(one).toMatchObject({ status: 'rejected', reason: { code: 'ERR_INPUT' } });
  await writeFile(file, 's3cret\n');
  for (const one of await crowd(ask)) expect(one).toEqual({ status: 'fulfilled', value: 's3cret' });
  expect(reads(file)).toBe(2);
});

test("a driver's module is loaded once for 1,000 requests; that it could not be is everybody's, and not remembered", async () => {
  const { port1, port2 } = new MessageChannel();
  const ledger = Ledger.memory(CALLERS);
  const driver = new FakeDriver(CALLERS);
  const loads: ReturnType<typeof deferred<FakeDriver>>[] = [];
  const load = () => {
    const loading = deferred<FakeDriver>();
    loads.push(loading);
    return loading.promise;
  };
  const served = serve(
    { port: port1, ledger, limits: LIMITS, drivers: {}, traceMs: 0 },
    new FakeClock(),
    load as never,
  );
  const errors: string[] = [];
  const reader = new FrameReader<Reply>();
  const visitor = {
    run: () => undefined,
    response: () => undefined,
    other: (reply: Reply) => reply.kind === 'error' && errors.push(reply.error.code),
  };
  port2.on('message', (frame: Uint8Array) => reader.read(frame, visitor as never));
  onTestFinished(() => port2.close());
  const send = (commands: Command[]) => {
    for (const frame of encode(commands, (_command, why) => Promise.reject(why))) port2.postMessage(frame);
  };
  let lastId = 0;
  const run = (slot: number): RunCommand => ({
    ...{ kind: 'run', slot, id: ++lastId, mode: 'once', driver: 'own', key: 'k', lane: 'k', target: null },
    ...{ request: null, deadline: Number.POSITIVE_INFINITY, priority: 0 },
  });
  const all = (): Command[] => Array.from({ length: CALLERS }, (_, slot) => run(slot));
  send(all());
  await until(() => loads.length > 0);
  await settled();
  expect(loads).toHaveLength(1);
  loads[0]?.reject(new Error('no such file'));
  await until(() => errors.length === CALLERS);
  expect(new Set(errors)).toEqual(new Set(['ERR_CONFIG']));
  send(all());
  await until(() => loads.length === 2);
  loads[1]?.resolve(driver);
  await until(() => driver.opens.length > 0);
  driver.failOpen(new KeylaneError('ERR_CONNECT'));
  await until(() => errors.length === 2 * CALLERS);
  send([{ kind: 'drain' }]);
  await served;
  expect([loads.length, driver.begun]).toEqual([2, 1]);
});
