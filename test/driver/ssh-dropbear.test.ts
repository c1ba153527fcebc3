import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SshRequest } from 'keylane';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dropbear, dropbearMissing, startDropbear } from '../support/dropbear.js';
import { failure, startEngine, until } from '../support/engine.js';
import { masters } from '../support/openssh-masters.js';
import { withVariable } from '../support/process-tree.js';
import { count, loginTo, sessionsEnded } from '../support/ssh-login.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

const missing = dropbearMissing();
if (missing) console.log(`not shown here: needs ${missing}`);

/** Where it looks for OpenSSH's server is compiled in. */
const SFTP = existsSync('/usr/lib/sftp-server');

/** Another implementation of the protocol than OpenSSH's, with habits and limits of its own. */
describe.skipIf(missing)('dropbear', () => {
  let dropbear: Dropbear;
  let sshd: Sshd;
  beforeAll(async () => {
    [dropbear, sshd] = await Promise.all([startDropbear(), startSshd({ addresses: ['127.0.0.2'] })]);
  });
  afterAll(async () => {
    await Promise.all([dropbear.stop(), sshd.stop()]);
  });
  const at = (other: Partial<SshRequest>) => loginTo(dropbear, other);

  test.each(['ssh2', 'openssh'] as const)('answers a table of commands over %s as sshd does', async (transport) => {
    const engine = await startEngine();
    const words = ['', ' ', '$HOME', "it's", '*', '-n', 'a\nb', '\\', 'é'];
    const table: Partial<SshRequest>[] = [
      { command: 'echo out; echo err >&2; exit 7' },
      { command: 'exit 255' },
      { command: 'kill -TERM $$' },
      { command: 'kill -KILL $$' },
      { command: 'cat', stdin: 'to be read' },
      { command: 'cat; echo done' },
      { command: 'wc -c', stdin: Buffer.alloc(1_000_000) },
      { command: 'head -c 1000000 /dev/zero | tr "\\0" x; exit 3' },
      { command: 'seq 100000', maxOutputBytes: 1_000 },
      { command: 'tty >/dev/null && echo tty', pty: true },
      { argv: ['printf', '%s\\0', ...words] },
    ];
    for (const what of table) {
      const theirs = await engine.run('ssh', loginTo(sshd, { ...what, host: '127.0.0.2' }));
      expect(await engine.run('ssh', at({ ...what, transport })), JSON.stringify(what).slice(0, 99)).toEqual(theirs);
    }
    await engine.close();
    await until(() => masters(dropbear.dir).length === 0);
  });

  test('a variable is refused by name, because dropbear takes none', async () => {
    const engine = await startEngine();
    const error = await failure(engine.run('ssh', at({ command: 'true', env: { GREETING: 'x' } })));
    expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started' });
    expect(error.message).toContain('GREETING');
  });

  // dropbear 2022.83 loses the exit status of one in five where they share a connection.
  test('100 commands at once run once each, and each has its answer', async () => {
    const engine = await startEngine();
    const out = join(dropbear.dir, 'ran');
    writeFileSync(out, '');
    chmodSync(out, 0o666);
    const requests = Array.from({ length: 100 }, (_, i) => at({ command: `echo ${i} >>${out}; exit ${i}` }));
    const codes: unknown[] = [];
    for await (const { index, response, error } of engine.batch('ssh', requests)) {
      codes[index] = error?.message ?? response?.code;
    }
    expect(codes).toEqual(requests.map((_, i) => i));
    const ran = readFileSync(out, 'utf8').trim().split('\n').map(Number);
    expect(ran.sort((a, b) => a - b)).toEqual(requests.map((_, i) => i));
    await engine.close();
    await sessionsEnded(dropbear);
  });

  test.runIf(SFTP)('commands and copies at once share its connections, whichever comes first', async () => {
    for (const first of [0, 1]) {
      const engine = await startEngine({ limits: { connectionsPerLane: 1 } });
      const local = join(dropbear.dir, 'source');
      writeFileSync(local, 'x'.repeat(10_000));
      const requests = Array.from({ length: 20 }, (_, i) =>
        i % 2 === first ? at({ command: 'true' }) : at({ op: 'put', local, remote: `copied-${i}` }),
      );
      const outcomes: string[] = [];
      for await (const { outcome, error } of engine.batch('ssh', requests)) outcomes.push(error?.message ?? outcome);
      expect(outcomes).toEqual(requests.map(() => 'ok'));
      await engine.close();
    }
  });

  test('a burst of log-ins gets through where it takes five of one address', async () => {
    const engine = await startEngine({ limits: { connectionsPerLane: 20, opensPerKey: 20 } });
    const requests = Array.from({ length: 100 }, () => at({ command: 'sleep 0.1' }));
    const outcomes: string[] = [];
    for await (const { outcome, error } of engine.batch('ssh', requests)) outcomes.push(error?.message ?? outcome);
    expect(outcomes).toEqual(requests.map(() => 'ok'));
    await engine.close();
    await sessionsEnded(dropbear);
  });

  test.each([{ killTree: true }, {}])('a deadline stops what runs: %o', async (how) => {
    const engine = await startEngine();
    const mark = randomUUID();
    const command = `KEYLANE_TEST_MARK=${mark}; export KEYLANE_TEST_MARK; exec sleep 1000`;
    // The deadline is the command's, and not that of a log-in on a busy machine.
    await engine.run('ssh', at({ command: 'true' }));
    const error = await failure(engine.run('ssh', at({ command, ...how }), { timeoutMs: 1_500 }));
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown', stopped: 'killed' });
    expect(withVariable('KEYLANE_TEST_MARK', (value) => value === mark)).toEqual([]);
  });

  test('a host key that is another is refused before anything is sent', async () => {
    const engine = await startEngine();
    const other = newKey(join(dropbear.dir, `other-${randomUUID()}`));
    const knownHosts = join(dropbear.dir, 'wrong');
    writeFileSync(knownHosts, `[127.0.0.1]:${dropbear.port} ${other}\n`);
    const before = count(dropbear, 'auth succeeded');
    for (const transport of ['ssh2', 'openssh'] as const) {
      const error = await failure(engine.run('ssh', at({ command: 'true', knownHosts, transport })));
      expect(error).toMatchObject({ code: 'ERR_HOST_KEY', outcome: 'not_started' });
    }
    expect(count(dropbear, 'auth succeeded')).toBe(before);
  });

  test.each(['ecdsa', 'rsa'] as const)('its host key may be of the type %s', async (hostKey) => {
    await using another = await startDropbear({ hostKey });
    const engine = await startEngine();
    expect(await engine.run('ssh', loginTo(another, { command: 'echo in' }))).toMatchObject({ stdout: 'in\n' });
    await engine.close();
  });

  test('a file goes there and back, or the server without SFTP is told by name', async () => {
    const engine = await startEngine();
    const local = join(mkdtempSync(join(dropbear.dir, 'here-')), 'source');
    writeFileSync(local, randomBytes(3_000_000), { mode: 0o640 });
    const { stdout } = await engine.run('ssh', at({ command: 'mktemp -d' }));
    const remote = `${String(stdout).trim()}/copied`;
    const putting = engine.run('ssh', at({ op: 'put', local, remote }));
    if (!SFTP) {
      expect((await failure(putting)).message).toContain('sftp');
      return;
    }
    expect(await putting).toMatchObject({ code: 0, bytes: 3_000_000 });
    expect(statSync(remote).mode & 0o777).toBe(0o640);
    expect(await engine.run('ssh', at({ op: 'get', local: `${local}.back`, remote }))).toMatchObject({ code: 0 });
    expect(readFileSync(`${local}.back`).equals(readFileSync(local))).toBe(true);
    await engine.run('ssh', at({ argv: ['rm', '-r', String(stdout).trim()] }));
  });

  test('it is a bastion: 20 commands through one connection', async () => {
    const engine = await startEngine();
    const { port, user, identity, knownHosts } = dropbear;
    const jump = [{ host: '127.0.0.1', port, user, identity, knownHosts }];
    const before = count(dropbear, 'auth succeeded');
    const requests = Array.from({ length: 20 }, (_, i) =>
      loginTo(sshd, { host: '127.0.0.2', jump, command: `echo ${i}` }),
    );
    for await (const { index, response, error } of engine.batch('ssh', requests)) {
      expect(error?.message ?? response?.stdout).toBe(`${index}\n`);
    }
    expect(count(dropbear, 'auth succeeded') - before).toBe(1);
  });

  test('one that forwards nothing is a bastion that says so', async () => {
    await using closed = await startDropbear({ args: ['-j'] });
    const engine = await startEngine();
    const { port, user, identity, knownHosts } = closed;
    const jump = [{ host: '127.0.0.1', port, user, identity, knownHosts }];
    const error = await failure(engine.run('ssh', loginTo(sshd, { host: '127.0.0.2', jump, command: 'true' })));
    expect(error).toMatchObject({ outcome: 'not_started' });
    expect(error.message).toContain(`127.0.0.1:${port}`);
    await engine.close();
  });

  test('a detached command is collected', async () => {
    const engine = await startEngine();
    const id = randomUUID();
    await engine.run('ssh', at({ command: 'echo later; exit 4', detach: { id } }));
    await until(async () => (await engine.run('ssh', at({ op: 'poll', id }))).detached?.running === false);
    expect(await engine.run('ssh', at({ op: 'collect', id }))).toMatchObject({ code: 4, stdout: 'later\n' });
  });
});
