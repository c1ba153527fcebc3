import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import { StreamsExceeded } from '../../src/types.js';
import { FakeExecute } from '../support/driver-context.js';
import { type Opened, rejection, SshHarness } from '../support/ssh-harness.js';
import { type Sshd, startSshd } from '../support/sshd.js';

const ssh = new SshHarness();
let sshd: Sshd;
let host: Opened;

const at = (to: Sshd) => ({
  host: '127.0.0.1',
  port: to.port,
  user: to.user,
  identity: to.identity,
  knownHosts: to.knownHosts,
});

beforeAll(async () => {
  sshd = await startSshd({ config: ['AcceptEnv GREETING LC_*'] });
  host = await ssh.open(at(sshd));
});
afterAll(async () => {
  await ssh[Symbol.asyncDispose]();
  await sshd.stop();
});

test('every exit status from 0 to 255 comes back, over one connection', async () => {
  const codes: unknown[] = [];
  for (let from = 0; from < 256; from += 8) {
    const some = Array.from({ length: 8 }, (_, i) => host.run(`exit ${from + i}`));
    codes.push(...(await Promise.all(some)).map(({ code, signal }) => (signal === null ? code : signal)));
  }
  expect(codes).toEqual(Array.from({ length: 256 }, (_, i) => i));
});

test.each(['TERM', 'KILL', 'SEGV', 'HUP'])('a command that dies of SIG%s has a signal and no code', async (name) => {
  expect(await host.run(`kill -${name} $$`)).toMatchObject({ code: null, signal: `SIG${name}` });
});

test('stdout and stderr come back apart, as text', async () => {
  expect(await host.run('echo out; echo err >&2; printf é')).toEqual({
    code: 0,
    signal: null,
    stdout: 'out\né',
    stderr: 'err\n',
    truncated: false,
  });
});

test('with the encoding "buffer" the very bytes come back', async () => {
  const { stdout } = await host.run({ command: "printf '\\377\\000\\376'", encoding: 'buffer' });
  expect(stdout).toEqual(Buffer.from([255, 0, 254]));
});

test('argv reaches the program word for word', async () => {
  const words = ['', ' ', '$HOME', "it's", '*', '-n', 'a\nb', '\\', 'é'];
  const { stdout } = await host.run({ argv: ['printf', '%s\\0', ...words] });
  expect((stdout as string).split('\0').slice(0, -1)).toEqual(words);
});

test('without stdin a command reads end of file at once', async () => {
  expect(await host.run('cat; echo done')).toMatchObject({ code: 0, stdout: 'done\n' });
});

test('stdin arrives whole, past the window of the server', async () => {
  const stdin = Buffer.alloc(5_000_000, 'keylane ');
  const { stdout } = await host.run({ command: 'wc -c', stdin });
  expect(Number(stdout)).toBe(stdin.length);
});

test('a command that does not read its stdin ends all the same', async () => {
  expect(await host.run({ command: 'exit 7', stdin: Buffer.alloc(5_000_000) })).toMatchObject({ code: 7 });
});

test('5 MB on both streams come whole, and neither stalls the other', async () => {
  const command = 'head -c 5000000 /dev/zero & head -c 5000000 /dev/zero >&2; wait';
  const { stdout, stderr, truncated } = await host.run({ command, maxOutputBytes: 6_000_000, encoding: 'buffer' });
  expect([stdout.length, stderr.length, truncated]).toEqual([5_000_000, 5_000_000, false]);
});

test('5 MB on stderr alone do not stall the command', async () => {
  const { code, stderr } = await host.run({
    command: 'head -c 5000000 /dev/zero >&2; exit 4',
    maxOutputBytes: 6_000_000,
    encoding: 'buffer',
  });
  expect([code, stderr.length]).toEqual([4, 5_000_000]);
});

test('output past the limit is dropped, and said to be', async () => {
  const response = await host.run({ command: 'head -c 5000000 /dev/zero; exit 5', maxOutputBytes: 1_000 });
  expect([response.stdout.length, response.truncated, response.code]).toEqual([1_000, true, 5]);
});

test('a limit within a character leaves that character out', async () => {
  expect(await host.run({ command: 'printf ééé', maxOutputBytes: 3 })).toMatchObject({ stdout: 'é', truncated: true });
});

test('a child that holds stdout open does not hold up the exit status', async () => {
  expect(await host.run('sleep 1000 & echo out; exit 6')).toMatchObject({ code: 6, stdout: 'out\n' });
  expect(host.reusable()).toBe(true);
});

test('variables that the server takes are set', async () => {
  const env = { GREETING: "it's \n me", LC_THING: '' };
  expect(await host.run({ command: 'printf "%s|%s" "$GREETING" "$LC_THING"', env })).toMatchObject({
    stdout: "it's \n me|",
  });
});

test('a variable that the server refuses fails the request by name, before it runs', async () => {
  const context = new FakeExecute();
  const error = await rejection(
    host.run({ command: `touch ${sshd.dir}/ran`, env: { GREETING: 'a', SECRET_THING: 'b' } }, context),
  );
  expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', retryable: false });
  expect(error.message).toMatch(/SECRET_THING.*AcceptEnv SECRET_THING/);
  expect([context.sents, existsSync(`${sshd.dir}/ran`)]).toEqual([0, false]);
  expect(await host.run('true')).toMatchObject({ code: 0 });
});

test('`sent` is said once, just before the command leaves', async () => {
  const context = new FakeExecute();
  await host.run('true', context);
  expect(context.sents).toBe(1);
});

test('a command whose deadline passes is killed, and the error says so', async () => {
  const context = new FakeExecute({
    onChunk: () => void context.controller.abort(new KeylaneError('ERR_TIMEOUT', 'too late')),
  });
  const error = await rejection(host.run('echo $$; exec sleep 1000', context));
  expect(error).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown' });
  expect(error.message).toBe('too late; it was killed by SIGTERM');
  expect(existsSync(`/proc/${String(context.chunks[0]?.data).trim()}`)).toBe(false);
  expect(host.reusable()).toBe(true);
});

test('a command that ignores SIGTERM is killed by SIGKILL', async () => {
  const context = new FakeExecute({
    onChunk: () => void context.controller.abort(new KeylaneError('ERR_CANCELED', 'enough')),
  });
  const error = await rejection(host.run("trap '' TERM; echo $$; while :; do sleep 0.01; done", context));
  expect(error).toMatchObject({
    code: 'ERR_CANCELED',
    outcome: 'canceled',
    message: 'enough; it was killed by SIGKILL',
  });
});

test('a command that ends on SIGTERM in its own way is said to', async () => {
  const context = new FakeExecute({
    onChunk: () => void context.controller.abort(new KeylaneError('ERR_TIMEOUT', 'too late')),
  });
  const error = await rejection(host.run("trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done", context));
  expect(error.message).toBe('too late; it ended with status 9 after SIGTERM');
});

test('a request that is aborted before it left has not started', async () => {
  const context = new FakeExecute();
  const running = host.run(`touch ${sshd.dir}/ran`, context);
  // The channel has been asked for and the server has not answered: nothing can have come in between.
  context.controller.abort(new KeylaneError('ERR_TIMEOUT', 'too late'));
  expect(await rejection(running)).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'not_started' });
  expect(await host.run('true')).toMatchObject({ code: 0 });
  expect([context.sents, existsSync(`${sshd.dir}/ran`)]).toEqual([0, false]);
});

test('live output comes while the command runs, and is in the response too', async () => {
  let seen = '';
  const input = gate();
  const context = new FakeExecute({
    input: input.pieces,
    onChunk: (_channel, data) => {
      seen += Buffer.from(data).toString();
      if (seen === 'one\n') input.end();
      return undefined;
    },
  });
  // `two` can only come if `one` was seen, because it waits for the end of the input.
  expect(await host.run('echo one; cat; echo two', context)).toMatchObject({ code: 0, stdout: 'one\ntwo\n' });
  expect(seen).toBe('one\ntwo\n');
});

test('what the caller writes reaches the command, piece by piece', async () => {
  async function* pieces() {
    yield Buffer.from('b\n');
    yield Buffer.from('a\n');
  }
  const context = new FakeExecute({ input: pieces() });
  expect(await host.run({ command: 'sort', stdin: 'c\n' }, context)).toMatchObject({ stdout: 'a\nb\nc\n' });
});

test('a reader that is behind stops the command, and loses nothing', async () => {
  const blocked: (() => void)[] = [];
  const context = new FakeExecute({ onChunk: () => new Promise((resolve) => blocked.push(resolve)) });
  const running = host.run({ command: 'head -c 20000000 /dev/zero; echo end >&2', maxOutputBytes: 0 }, context);
  let settled = false;
  void running.then(() => {
    settled = true;
  });
  // Others on the connection are not held up, and what was read meanwhile stays within the window.
  for (let i = 0; i < 5; i++) expect(await host.run('true')).toMatchObject({ code: 0 });
  expect([settled, context.chunks.length]).toEqual([false, 1]);
  while (!settled) {
    blocked.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await running;
  const bytes = context.chunks
    .filter(({ channel }) => channel === 'stdout')
    .reduce((sum, { data }) => sum + data.length, 0);
  expect(bytes).toBe(20_000_000);
  expect(
    Buffer.concat(context.chunks.filter(({ channel }) => channel === 'stderr').map(({ data }) => data)).toString(),
  ).toBe('end\n');
});

test.each([1, 2])('with MaxSessions %i the refused requests are put back with that many streams', async (sessions) => {
  await using few = await startSshd({ config: [`MaxSessions ${sessions}`] });
  const busy = await ssh.open(at(few));
  const input = gate();
  const holders = Array.from({ length: sessions }, () => {
    let ready!: () => void;
    const running = new Promise<void>((resolve) => {
      ready = resolve;
    });
    const context = new FakeExecute({ input: input.pieces, onChunk: () => void ready() });
    return { running, result: busy.run('echo up; cat', context) };
  });
  await Promise.all(holders.map(({ running }) => running));
  const error = await rejection(busy.run('true'));
  expect(error).toBeInstanceOf(StreamsExceeded);
  expect(error.streams).toBe(sessions);
  input.end();
  for (const { result } of holders) expect(await result).toMatchObject({ code: 0 });
  expect(await busy.run('true')).toMatchObject({ code: 0 });
  expect(busy.reusable()).toBe(true);
});

test.each([1, 3, 10])(
  'with MaxSessions %i so many commands at once are never refused, one after another',
  async (sessions) => {
    await using few = await startSshd({ config: [`MaxSessions ${sessions}`] });
    const busy = await ssh.open(at(few));
    let left = 300;
    // The next is asked for in the turn in which the last one ended: its close and the new open go out in one write.
    const one = async (): Promise<void> => {
      while (left-- > 0) expect(await busy.run('true')).toMatchObject({ code: 0 });
    };
    await Promise.all(Array.from({ length: sessions }, one));
  },
);

test('the server changes keys in the middle of traffic both ways, and nothing is lost', async () => {
  await using often = await startSshd({ config: ['RekeyLimit 256K'] });
  const busy = await ssh.open(at(often));
  const stdin = Buffer.from(Array.from({ length: 2_000_000 }, (_, i) => i * 7 + (i >> 8)));
  const copies = Array.from({ length: 4 }, () =>
    busy.run({ command: 'cat', stdin, maxOutputBytes: 3_000_000, encoding: 'buffer' }),
  );
  for (const { stdout, code } of await Promise.all(copies))
    expect([code, stdin.equals(stdout as Buffer)]).toEqual([0, true]);
  expect(often.log()).not.toContain('Bad packet');
});

test("a child that holds stdout does not make sshd's ClientAliveInterval end the connection", async () => {
  await using strict = await startSshd({ config: ['ClientAliveInterval 1', 'ClientAliveCountMax 1'] });
  const shared = await ssh.open(at(strict));
  expect(await shared.run('sleep 1000 & exit 6')).toMatchObject({ code: 6 });
  expect(await shared.run('sleep 3')).toMatchObject({ code: 0 });
  expect(shared.context.losses).toEqual([]);
});

test('a server that allows no session at all fails the request, and not the streams', async () => {
  await using none = await startSshd({ config: ['MaxSessions 0'] });
  const opened = await ssh.open(at(none));
  expect(await rejection(opened.run('true'))).toMatchObject({ code: 'ERR_CONNECT', outcome: 'not_started' });
});

/** Input that stays open until `end`; any number may read it. */
function gate() {
  let end!: () => void;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const pieces: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({ next: () => ended.then(() => ({ done: true as const, value: undefined })) }),
  };
  return { pieces, end };
}
