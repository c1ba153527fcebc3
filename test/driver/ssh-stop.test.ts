import { randomUUID } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';
import { withVariable } from '../support/process-tree.js';
import { loginTo, sessionsEnded } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
let stubborn: string;

beforeAll(async () => {
  sshd = await startSshd();
  // Ignores SIGTERM, and leaves behind a child in another session that does so too.
  stubborn = join(sshd.dir, 'stubborn');
  writeFileSync(
    stubborn,
    [
      '#!/bin/sh',
      'trap "" TERM',
      `setsid sh -c 'trap "" TERM; while :; do sleep 1000; done' >/dev/null 2>&1 </dev/null &`,
      'sleep 1000 &',
      'echo ready',
      'while :; do sleep 1000; done',
      '',
    ].join('\n'),
  );
  chmodSync(stubborn, 0o755);
});
afterAll(() => sshd.stop());

/** Processes on the host that bear a mark of the test's own. */
const left = (mark: string) => withVariable('KEYLANE_TEST_MARK', (value) => value === mark);
const marked = (mark: string, command: string) => `KEYLANE_TEST_MARK=${mark}; export KEYLANE_TEST_MARK; ${command}`;

test('with killTree nothing is left of a command that ignores SIGTERM and forks', async () => {
  const engine = await startEngine();
  const mark = randomUUID();
  const stream = engine.stream('ssh', loginTo(sshd, { command: marked(mark, stubborn), killTree: true }));
  const { value } = await stream[Symbol.asyncIterator]().next();
  expect(value?.data.toString()).toBe('ready\n');
  expect(left(mark).length).toBeGreaterThanOrEqual(3);
  stream.cancel();
  const error = await failure(stream.response);
  expect(error).toMatchObject({ code: 'ERR_CANCELED', outcome: 'canceled', stopped: 'killed' });
  expect(left(mark)).toEqual([]);
});

test('a deadline stops the tree as well, and says what is known', async () => {
  const engine = await startEngine();
  const mark = randomUUID();
  const request = loginTo(sshd, { command: marked(mark, stubborn), killTree: true });
  // The deadline is the command's, and not that of a log-in on a busy machine.
  await engine.run('ssh', loginTo(sshd, { command: 'true' }));
  const error = await failure(engine.run('ssh', request, { timeoutMs: 1_500 }));
  expect(error).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown', stopped: 'killed' });
  expect(left(mark)).toEqual([]);
});

test('without killTree a child that left the process group stays, and the answer is about the command itself', async () => {
  const engine = await startEngine();
  const mark = randomUUID();
  const request = loginTo(sshd, { command: marked(mark, stubborn) });
  // The deadline is the command's, and not that of a log-in on a busy machine.
  await engine.run('ssh', loginTo(sshd, { command: 'true' }));
  const error = await failure(engine.run('ssh', request, { timeoutMs: 1_500 }));
  expect(error).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown', stopped: 'killed' });
  expect(left(mark).length).toBeGreaterThan(0);
  for (const pid of left(mark)) process.kill(pid, 'SIGKILL');
});

test('killTree changes nothing of a command that ends by itself', async () => {
  const engine = await startEngine();
  for (const [command, answer] of [
    ['exit 7', { code: 7, signal: null }],
    ['kill -9 $$', { code: null, signal: 'SIGKILL' }],
    ['cat', { code: 0, stdout: 'in' }],
  ] as const) {
    const response = await engine.run('ssh', loginTo(sshd, { command, stdin: 'in', killTree: true }));
    expect(response).toMatchObject(answer);
  }
});

test('a command that falls silent is stopped, and one that goes on talking is not', async () => {
  const engine = await startEngine();
  const error = await failure(engine.run('ssh', loginTo(sshd, { command: 'echo a; exec sleep 1000', silenceMs: 300 })));
  expect(error).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown', stopped: 'killed' });
  expect(error.message).toContain('wrote nothing for 300 ms');
  const talks = 'for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done';
  expect(await engine.run('ssh', loginTo(sshd, { command: talks, silenceMs: 500 }))).toMatchObject({ code: 0 });
});

test('nothing of all this is left on the server', async () => {
  await sessionsEnded(sshd);
});
