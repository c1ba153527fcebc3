import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeylaneError, type SshRequest } from '../../../src/index.ts';
import { settled } from '../../support/fake-clock.ts';
import { FakeEngine, FakeIo, runExec } from './fake-exec.ts';

const say = (text: string) => new FakeEngine(({ host }) => ({ stdout: Buffer.from(text.replaceAll('$HOST', host)) }));

describe('the hosts of keylane exec', () => {
  it('asks each host once, in the order written, with user and port of the host before those of the flags', async () => {
    const { engine, engineOptions } = await runExec(['-l', 'deploy', '-p', '2200', 'web-[1-2]', 'root@db:22', 'web-1']);
    expect(engine.requests).toEqual([
      { host: 'web-1', command: 'true', encoding: 'buffer' },
      { host: 'web-2', command: 'true', encoding: 'buffer' },
      { host: 'db', user: 'root', port: 22, command: 'true', encoding: 'buffer' },
    ]);
    expect(engineOptions.ssh).toMatchObject({ user: 'deploy', port: 2200, config: true, transport: 'auto' });
  });

  it('reads hosts from stdin and from files, with comments, patterns, CRLF and a byte order mark', async () => {
    const io = new FakeIo();
    io.stdin.end('\ufeff# fleet\r\nweb-[1-2]  # two\r\n\r\n  db#1,x\r\n');
    const { engine, status } = await runExec(['-', '-x', 'web-1'], { io });
    expect(engine.requests.map(({ host }) => host)).toEqual(['web-2']);
    expect(status).toBe(3);
  });

  it('lets a bad line of a list cost that line only, and names it', async () => {
    const io = new FakeIo();
    io.stdin.end('web-1\nweb-[2\n-oops\n');
    const { out, err, status, engine } = await runExec(['-H', '-', '--format', 'ndjson', '--ordered'], { io });
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(engine.requests).toHaveLength(1);
    expect(lines.map(({ index, id, outcome }) => [index, id, outcome])).toEqual([
      [0, 'web-1', 'ok'],
      [1, 'web-[2', 'not_started'],
      [2, '-oops', 'not_started'],
    ]);
    expect(lines[1]).toMatchObject({ key: '', attempts: 0, shard: -1, error: { code: 'ERR_INPUT' } });
    expect(lines[1].error.message).toContain('web-[2');
    expect(err).toBe('');
    expect(status).toBe(3);
  });

  it.each([
    [['web-[2'], 'write ranges as'],
    [[], 'no hosts'],
    [['web-1', '-x', 'web-1'], 'no hosts are left'],
    [['web-1', '-x', 'web-['], 'write ranges as'],
    [['-H', '/nonexistent/hosts', 'web-1'], '/nonexistent/hosts'],
    [['-i', '/nonexistent/key', 'web-1'], '/nonexistent/key'],
    [['--stdin', '/nonexistent/input', 'web-1'], '/nonexistent/input'],
    [['--stdin', '-', '-'], 'stdin has the hosts already'],
    [['--out', '/nonexistent/out', 'web-1'], '/nonexistent/out'],
    [['--out-dir', '/proc/nope', 'web-1'], '/proc/nope'],
  ])('refuses %j before anything is started', async (flags, message) => {
    const io = new FakeIo();
    io.stdin.end('');
    const engine = new FakeEngine(() => ({}));
    await expect(runExec(flags, { io, engine })).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringContaining(message),
    });
    expect(engine.requests).toEqual([]);
  });

  it('refuses to run nothing', async () => {
    await expect(runExec(['web-1'], { words: [] })).rejects.toThrow('write it after --');
  });
});

describe('the command of keylane exec', () => {
  it.each([
    [[], { command: 'echo a  b' }],
    [['--argv'], { argv: ['echo', 'a  b'] }],
    [['--shell', 'bash'], { argv: ['bash', '-c', 'echo a  b'] }],
  ])('%j becomes %j', async (flags, expected) => {
    const { engine } = await runExec([...flags, 'h'], { words: ['echo', 'a  b'] });
    expect(engine.requests).toEqual([{ host: 'h', ...expected, encoding: 'buffer' }]);
  });

  it('gives the same input to every host', async () => {
    const io = new FakeIo();
    io.stdin.end('input');
    const { engine } = await runExec(['--stdin', '-', 'a,b'], { io });
    expect(engine.requests.map(({ stdin }) => String(stdin))).toEqual(['input', 'input']);
  });

  it('refuses an input of more than 16 MiB', async () => {
    const io = new FakeIo();
    io.stdin.end(Buffer.alloc(16 * 1024 * 1024 + 1));
    await expect(runExec(['--stdin', '-', 'a'], { io })).rejects.toThrow('more than 16 MiB');
  });

  it('hands the bounds on to the engine', async () => {
    const { engine, engineOptions } = await runExec([
      ...['--timeout', '2m', '--attempts', '1', '-c', '5000', '--shards', '2', '--connect-timeout', '500ms'],
      ...[
        '--ordered',
        '--max-output',
        '64k',
        '--password',
        'env:PW',
        '--passphrase',
        'file:/pp',
        '--host-keys',
        'accept-new',
        'h',
      ],
    ]);
    expect(engine.options).toMatchObject({ timeoutMs: 120_000, attempts: 1, concurrency: 5_000 });
    expect(engineOptions).toMatchObject({ shards: 2, maxInFlight: 5_000, limits: { connectTimeoutMs: 500 } });
    expect(engineOptions.ssh).toMatchObject({ maxOutputBytes: 65_536, password: 'env:PW', passphrase: 'file:/pp' });
    expect(engineOptions.ssh).toMatchObject({ hostKeys: 'accept-new', connectTimeoutMs: 500 });
    expect(engine.ended).toBe('closed');
  });
});

describe('text output', () => {
  it('is not kept for a second delivery when it is printed as it comes, and is not called cut', async () => {
    const truncated = () => new FakeEngine(() => ({ truncated: true }));
    const live = await runExec(['a'], { engine: truncated() });
    expect(live.engineOptions.ssh).toMatchObject({ maxOutputBytes: 0 });
    expect(live.err).not.toContain('cut');
    expect((await runExec(['--ordered', 'a'], { engine: truncated() })).err).toContain('output cut at --max-output: a');
  });

  const pieces = new FakeEngine(({ host }, chunk) => {
    chunk({ channel: 'stdout', data: Buffer.from(`one ${host}\ntw`) });
    chunk({ channel: 'stderr', data: Buffer.from('oops') });
    chunk({ channel: 'stdout', data: Buffer.from('o\n\nend') });
    return { code: 3 };
  });

  it('is each line with its host as it comes, stderr on stderr, a last line without an end included', async () => {
    const { out, err } = await runExec(['-q', 'a'], { engine: pieces });
    expect(out).toBe('a: one a\na: two\na: \na: end\n');
    expect(err).toBe('a: oops\n');
  });

  it('has no host before it if that is not wanted', async () => {
    const { out } = await runExec(['-q', '--no-prefix', 'a'], { engine: pieces });
    expect(out).toBe('one a\ntwo\n\nend\n');
  });

  it('keeps every byte where stdout is no terminal, and shows control characters where it is one', async () => {
    const bytes = Buffer.from('\u001b]0;title\u0007\u001b[31mred\u001b[0m\tx\r\n\u009b2J\u202eabc\n');
    const engine = () =>
      new FakeEngine((_, chunk) => {
        chunk({ channel: 'stdout', data: bytes });
        return {};
      });
    expect((await runExec(['-q', 'a'], { engine: engine() })).out).toBe(
      'a: \u001b]0;title\u0007\u001b[31mred\u001b[0m\tx\r\na: \u009b2J\u202eabc\n',
    );
    const io = new FakeIo();
    io.stdout.isTTY = true;
    const { out } = await runExec(['-q', '--color', 'never', 'a'], { engine: engine(), io });
    expect(out).toBe('a: ^[]0;title^Gred\tx\na: \\x9b2J\\u202eabc\n');
  });

  it('is in the order of the hosts with --ordered', async () => {
    let release!: () => void;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const engine = new FakeEngine(async ({ host }) => {
      if (host === 'a') await gate;
      else release();
      return { stdout: Buffer.from(`${host}1\n${host}2`), stderr: Buffer.from('e\n') };
    });
    const { out, err } = await runExec(['-q', '--ordered', 'a,b'], { engine });
    expect(out).toBe('a: a1\na: a2\nb: b1\nb: b2\n');
    expect(err).toBe('a: e\nb: e\n');
  });

  it('colours hosts only where asked', async () => {
    const { out } = await runExec(['-q', '--color', 'always', 'a'], { engine: pieces });
    expect(out.startsWith('\u001b[36ma: \u001b[0mone a\n')).toBe(true);
  });
});

describe('folded output', () => {
  it('is each output once under its hosts, the most common first, stderr apart', async () => {
    const engine = new FakeEngine(({ host }) => {
      if (host === 'web-03') return { stdout: Buffer.from('other'), stderr: Buffer.from('warning\n') };
      return host === 'web-04' ? {} : { stdout: Buffer.from('6.1\n') };
    });
    const { out, err } = await runExec(['-q', '-b', 'web-03,web-[01-02,04-06]'], { engine });
    const rule = '-'.repeat(15);
    expect(out).toBe(`${rule}\nweb-[01-02,05-06] (4)\n${rule}\n6.1\n${rule}\nweb-03\n${rule}\nother\n`);
    expect(err).toBe(`${rule}\nweb-03\n${rule}\nwarning\n`);
    expect(engine.options.onChunk).toBeUndefined();
  });

  it('begins with the first host with --ordered', async () => {
    const { out } = await runExec(['-q', '-b', '--ordered', 'c,a,b'], {
      engine: new FakeEngine(({ host }) => ({ stdout: Buffer.from(host === 'c' ? 'first' : 'second') })),
    });
    expect(out.indexOf('first')).toBeLessThan(out.indexOf('second'));
  });
});

describe('machine output', () => {
  it('is one line a host, with its members in the order documented', async () => {
    const { out, err } = await runExec(['--format', 'ndjson', 'root@web-1:2222'], { engine: say('hi\n') });
    expect(out).toBe(
      '{"index":0,"id":"root@web-1:2222","host":"web-1","key":"web-1:22","outcome":"ok",' +
        '"response":{"code":0,"signal":null,"stdout":"hi\\n","stderr":"","truncated":false},"attempts":1,"shard":0,' +
        '"reused":false,"cache":"none","timing":{"queuedMs":0.123,"openMs":10,"runMs":5},"history":[]}\n',
    );
    expect(err).toBe('');
  });

  it('has an error in the place of the response', async () => {
    const engine = new FakeEngine(() => new KeylaneError('ERR_CONNECT', 'refused'));
    const { out } = await runExec(['--format', 'ndjson', 'a'], { engine });
    expect(Object.keys(JSON.parse(out))).toEqual([
      'index',
      'id',
      'host',
      'key',
      'outcome',
      'error',
      'attempts',
      'shard',
      'reused',
      'cache',
      'timing',
      'history',
    ]);
    expect(JSON.parse(out).error).toEqual({ code: 'ERR_CONNECT', message: 'refused' });
  });

  it('has bytes that are not UTF-8 as base64', async () => {
    const engine = new FakeEngine(() => ({ stdout: Buffer.of(0xff, 0xfe), stderr: Buffer.from('é') }));
    const { out } = await runExec(['--format', 'ndjson', 'a'], { engine });
    expect(JSON.parse(out).response).toMatchObject({ stdout: { base64: '//4=' }, stderr: 'é' });
  });

  it('is one array in the order of the hosts with --format json', async () => {
    let release!: () => void;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const engine = new FakeEngine(async ({ host }) => {
      if (host === 'a') await gate;
      else release();
      return {};
    });
    const { out } = await runExec(['--format', 'json', 'a,b'], { engine });
    expect(JSON.parse(out).map(({ id }: { id: string }) => id)).toEqual(['a', 'b']);
  });
});

describe('output into files', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'keylane-out-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is a file for each host and channel, for the owner alone, inside the folder whatever the name', async () => {
    const into = join(dir, 'new', 'results');
    const { out } = await runExec(['-q', '--out-dir', into, 'web-1', '..x@[::1]:22'], { engine: say('$HOST') });
    expect(out).toBe('');
    expect(readdirSync(into).sort()).toEqual([
      '..x@%5b::1%5d:22.err',
      '..x@%5b::1%5d:22.out',
      'web-1.err',
      'web-1.out',
    ]);
    expect(readFileSync(join(into, 'web-1.out'), 'utf8')).toBe('web-1');
    expect(statSync(into).mode & 0o777).toBe(0o700);
    expect(statSync(join(into, 'web-1.out')).mode & 0o777).toBe(0o600);
  });

  it('follows no link', async () => {
    writeFileSync(join(dir, 'precious'), 'precious');
    symlinkSync('precious', join(dir, 'a.out'));
    const { status, err } = await runExec(['--out-dir', dir, 'a'], { engine: say('gone') });
    expect(readFileSync(join(dir, 'precious'), 'utf8')).toBe('precious');
    expect(err).toContain('cannot write the output');
    expect(status).toBe(2);
  });

  it('is one file with --out', async () => {
    const file = join(dir, 'all.json');
    const { out, status } = await runExec(['--format', 'json', '--out', file, 'a,b']);
    expect(out).toBe('');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toHaveLength(2);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(status).toBe(0);
  });

  it('fails with status 2 when the disk is full', async () => {
    const { status, err } = await runExec(['--format', 'json', '--out', '/dev/full', 'a']);
    expect(status).toBe(2);
    expect(err).toContain('ENOSPC');
  });
});

describe('the exit status', () => {
  const engine = () =>
    new FakeEngine(({ host }) => {
      if (host.startsWith('exit')) return { code: Number(host.slice(4)) };
      if (host === 'killed') return { code: null, signal: 'SIGKILL' };
      if (host === 'unknown') return new KeylaneError('ERR_CONNECTION_LOST');
      return host === 'refused' ? new KeylaneError('ERR_CONNECT') : {};
    });
  it.each([
    ['ok', [], 0],
    ['ok,exit3', [], 1],
    ['ok,exit3,refused', [], 3],
    ['ok,unknown', [], 3],
    ['exit3,exit7,ok', ['--max-rc'], 7],
    ['exit3,killed', ['--max-rc'], 137],
    ['exit3,refused', ['--max-rc'], 3],
    ['ok', ['--max-rc'], 0],
  ])('of %s with %j is %i', async (hosts, flags, status) => {
    expect((await runExec([...flags, hosts], { engine: engine() })).status).toBe(status);
  });
});

describe('Ctrl-C', () => {
  /** Hosts that never answer, unless released; two at once. */
  function started() {
    const release: (() => void)[] = [];
    const engine = new FakeEngine(() => new Promise((resolve) => release.push(() => resolve({}))));
    const io = new FakeIo();
    const run = runExec(['-c', '2', '--format', 'json', 'h[1-5]'], { engine, io });
    return { release, io, run, engine };
  }

  it('once lets finish what is in flight and starts no more', async () => {
    const { release, io, run, engine } = started();
    await settled();
    io.emit('SIGINT');
    for (const free of release) free();
    const { status, out, err } = await run;
    expect(status).toBe(130);
    expect(JSON.parse(out).map((line: { outcome: string }) => line.outcome)).toEqual([
      'ok',
      'ok',
      'not_started',
      'not_started',
      'not_started',
    ]);
    expect(JSON.parse(out)[4].error).toEqual({ code: 'ERR_CANCELED', message: 'interrupted before it started' });
    expect(err).toBe('keylane exec: waiting for 2 hosts in flight, 3 will not start; Ctrl-C again to cut\n');
    expect(engine.requests).toHaveLength(2);
    expect(engine.ended).toBe('closed');
  });

  it('twice cuts, three times leaves at once', async () => {
    const { io, run } = started();
    await settled();
    io.emit('SIGINT');
    io.emit('SIGINT');
    io.emit('SIGINT');
    expect(io.exits).toEqual([130]);
    const { status, out, engine, err } = await run;
    expect(status).toBe(130);
    expect(JSON.parse(out).map((line: { outcome: string }) => line.outcome)).toEqual([
      'canceled',
      'canceled',
      'not_started',
      'not_started',
      'not_started',
    ]);
    expect(err).toContain('cutting 2 hosts in flight');
    expect(engine.ended).toBe('destroyed');
    expect(io.eventNames()).toEqual([]);
  });

  it('is not needed for SIGTERM, which cuts at once', async () => {
    const { io, run } = started();
    await settled();
    io.emit('SIGTERM');
    expect((await run).status).toBe(143);
  });
});

describe('a reader that goes away', () => {
  it('ends the run quietly, as if SIGPIPE had', async () => {
    const io = new FakeIo();
    const engine = new FakeEngine(({ host }: SshRequest, chunk) => {
      if (host === 'h2') return new Promise<never>(() => {});
      chunk({ channel: 'stdout', data: Buffer.from('line\n') });
      io.stdout.destroy(Object.assign(new Error('EPIPE'), { code: 'EPIPE' }));
      return {};
    });
    const { status, err } = await runExec(['h[1-2]'], { engine, io });
    expect(status).toBe(141);
    expect(err).toBe('');
    expect(engine.ended).toBe('destroyed');
  });
});
