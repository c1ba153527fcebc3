import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SshRequest } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, startEngine, until } from '../support/engine.js';
import { loginTo, sessionsEnded } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(() => sshd.stop());

const at = (other: Partial<SshRequest>) => loginTo(sshd, other);

test('a detached command outlives the engine that started it, and its answer is collected by another', async () => {
  const id = randomUUID();
  const gate = join('/tmp', `keylane-gate-${id}`);
  const first = await startEngine();
  const command = `while [ ! -e ${gate} ]; do sleep 0.05; done; cat; echo err >&2; rm ${gate}; exit 7`;
  const started = await first.run('ssh', at({ command, stdin: 'input', detach: { id } }));
  expect(started).toMatchObject({ code: 0, stdout: '', detached: { id, running: true } });
  await first.destroy('its process died');
  await sessionsEnded(sshd);

  const second = await startEngine();
  expect(await second.run('ssh', at({ op: 'poll', id }))).toMatchObject({
    code: null,
    detached: { id, running: true },
  });
  await second.run('ssh', at({ command: `touch ${gate}` }));
  await until(async () => (await second.run('ssh', at({ op: 'poll', id }))).detached?.running === false);
  expect(await second.run('ssh', at({ op: 'collect', id }))).toEqual({
    code: 7,
    signal: null,
    stdout: 'input',
    stderr: 'err\n',
    truncated: false,
    detached: { id, running: false },
  });
  // Collected, it is gone.
  expect(await second.run('ssh', at({ op: 'poll', id }))).toMatchObject({ code: 1 });
});

test('an id is an answer: the command of a second start does not run again', async () => {
  const id = randomUUID();
  const witness = join('/tmp', `keylane-witness-${id}`);
  const engine = await startEngine();
  const request = at({ command: `echo ran >>${witness}`, detach: { id } });
  const answers = await Promise.all([1, 2, 3, 4, 5].map(() => engine.run('ssh', request)));
  for (const answer of answers) expect(answer.detached?.id).toBe(id);
  await until(async () => (await engine.run('ssh', at({ op: 'poll', id }))).detached?.running === false);
  expect(await engine.run('ssh', request)).toMatchObject({ detached: { id, running: false } });
  expect(readFileSync(witness, 'utf8')).toBe('ran\n');
  const other = await engine.run('ssh', at({ command: 'true', detach: { id } }));
  expect(other).toMatchObject({ code: 1 });
  expect(other.stderr).toContain('taken by another command');
  await engine.run('ssh', at({ command: `rm ${witness}` }));
  await engine.run('ssh', at({ op: 'collect', id }));
});

test('one that was killed is not said to run, nor to have ended well', async () => {
  const id = randomUUID();
  const engine = await startEngine();
  await engine.run('ssh', at({ command: 'exec sleep 1000', detach: { id } }));
  await engine.run(
    'ssh',
    at({ command: `kill -9 $(cut -d' ' -f1 ~/.keylane/runs/${id}/pid); pkill -9 -f "sleep 100[0]"; :` }),
  );
  await until(async () => (await engine.run('ssh', at({ op: 'poll', id }))).detached?.running === false);
  const results: string[] = [];
  for await (const { outcome, response } of engine.batch('ssh', [at({ op: 'collect', id })])) {
    results.push(outcome);
    expect(response).toMatchObject({ code: null, detached: { running: false } });
  }
  expect(results).toEqual(['failed']);
});

test('output that does not fit is cut, said to be cut, and kept on the host', async () => {
  const id = randomUUID();
  const engine = await startEngine();
  await engine.run('ssh', at({ command: 'head -c 100000 /dev/zero | tr "\\0" x', detach: { id } }));
  await until(async () => (await engine.run('ssh', at({ op: 'poll', id }))).detached?.running === false);
  const cut = await engine.run('ssh', at({ op: 'collect', id, maxOutputBytes: 1_000 }));
  expect(cut.truncated).toBe(true);
  expect(cut.stdout.length).toBe(1_000);
  const whole = await engine.run('ssh', at({ op: 'collect', id }));
  expect(whole).toMatchObject({ code: 0, truncated: false });
  expect(whole.stdout).toBe('x'.repeat(100_000));
});

test('an id that nobody knows is answered with no', async () => {
  const engine = await startEngine();
  for (const op of ['poll', 'collect'] as const) {
    const answer = await engine.run('ssh', at({ op, id: 'nobody' }));
    expect(answer).toMatchObject({ code: 1 });
    expect(answer.stderr).toContain('no detached command nobody');
  }
});

test('what needs somebody there does not go with detach', async () => {
  const engine = await startEngine();
  const error = await failure(engine.run('ssh', at({ command: 'true', detach: true, pty: true })));
  expect(error).toMatchObject({ code: 'ERR_INPUT' });
  expect(error.message).toContain('ssh.pty');
  expect(existsSync('/nowhere')).toBe(false);
});
