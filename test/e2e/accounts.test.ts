import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAccounts } from 'keylane';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { portOf } from '../support/ports.ts';
import { startSshd } from '../support/sshd.ts';
import { Cli, run as start } from './exec-cli.ts';

let dir: string;
let dataDir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-accounts-cli-'));
  dataDir = join(dir, 'data');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const run = (args: string[], input?: string) => start(['accounts', ...args, '--data-dir', dataDir], input);

/** What is in the data directory, by a program of its own. */
async function stored() {
  const accounts = openAccounts({ dataDir });
  try {
    return await accounts.list();
  } finally {
    await accounts.close();
  }
}

describe('keylane accounts', () => {
  it('adds, shows, changes, lists and removes', async () => {
    const oauth = ['--oauth', 'client_credentials', '--token-url', 'https://t.example/token', '--client-id', 'c'];
    const mail = ['add', 'mail', '--driver', 'smtp', '--host', 'mx.example', '-p', '587', '-l', 'me@x.example'];
    const web = ['add', 'web-1', '--host', '::1', '-l', 'deploy', '-i', 'key', '--label', 'web', '--label', 'eu'];
    expect(
      await run([...web, '--password', 'file:pw', '--known-hosts', 'kh', '-J', 'b:2', '--max-output', '1k']),
    ).toEqual({
      status: 0,
      out: 'added web-1\n',
      err: '',
    });
    expect(await run([...mail, ...oauth, '--client-secret', 'env:S', '--request-timeout', '5s'])).toMatchObject({
      status: 0,
    });
    const here = process.cwd();
    const endpoint = { host: '::1', jump: 'b:2', knownHosts: join(here, 'kh') };
    const webAccount = {
      name: 'web-1',
      driver: 'ssh',
      endpoint,
      user: 'deploy',
      identity: join(here, 'key'),
      secrets: { password: `file:${join(here, 'pw')}` },
      limits: { maxOutputBytes: 1_024 },
      labels: ['web', 'eu'],
    };
    const mailAccount = {
      name: 'mail',
      driver: 'smtp',
      endpoint: { host: 'mx.example', port: 587 },
      user: 'me@x.example',
      oauth: {
        grant: 'client_credentials',
        tokenUrl: 'https://t.example/token',
        clientId: 'c',
        clientSecret: 'env:S',
      },
      limits: { timeoutMs: 5_000 },
    };
    expect(await stored()).toEqual([mailAccount, webAccount]);
    expect((await run(['list'])).out).toBe(
      'mail   smtp  me@x.example@mx.example:587\nweb-1  ssh   deploy@[::1]                 web eu\n',
    );
    expect(JSON.parse((await run(['list', '--label', 'eu', '--format', 'json'])).out)).toEqual([webAccount]);
    expect((await run(['list', '--driver', 'smtp', '--format', 'ndjson'])).out).toBe(
      `${JSON.stringify(mailAccount)}\n`,
    );
    expect((await run(['show', 'web-1'])).out).toContain('secrets.password       file:/');

    const set = ['set', 'web-1', '-p', '2222', '--label', 'db', '--unset', 'secrets.password', '--unset', 'identity'];
    expect(await run(set)).toMatchObject({ status: 0, out: 'changed web-1\n' });
    const { identity: _, secrets: __, ...rest } = webAccount;
    const changed = { ...rest, endpoint: { ...endpoint, port: 2222 }, labels: ['db'] };
    expect(JSON.parse((await run(['show', 'web-1', '--format', 'json'])).out)).toEqual(changed);
    expect(await run(['remove', 'web-1', 'mail'])).toMatchObject({ status: 0, out: 'removed web-1\nremoved mail\n' });
    expect(await stored()).toEqual([]);
  }, 60_000);

  it('imports CSV, and gives out JSON that it takes again', async () => {
    const file = join(dir, 'fleet.csv');
    writeFileSync(
      file,
      'name,driver,host,user,password,labels\nweb-1,ssh,web-1.example,deploy,env:PW,web;eu\ndb,ssh,db.example,,,\n',
    );
    expect(await run(['import', file])).toEqual({ status: 0, out: '2 added, 0 replaced, 0 skipped\n', err: '' });
    const { out: listed } = await run(['list', '--format', 'json']);
    await run(['remove', 'db']);
    const again = await run(['import', '--from', 'json', '--replace', '--format', 'json', '-'], listed);
    expect(again).toEqual({ status: 0, out: '{"added":1,"replaced":1,"skipped":0}\n', err: '' });
    expect((await run(['list', '--format', 'json'])).out).toBe(listed);
  });

  it('names each bad row by line and field, and takes none, or the good ones with --skip-bad', async () => {
    const file = join(dir, 'fleet.csv');
    writeFileSync(
      file,
      'name,driver,host,port\ngood,ssh,a.example,22\nbad,ssh,b.example,0\ngood,ssh,c.example,\n,ssh,d.example,\n',
    );
    const lines = [
      `${file}:3: account.endpoint.port: expected a port from 1 to 65535`,
      `${file}:4: the account good is in ${file}:2 too`,
      `${file}:5: account.name: expected a string; it is missing`,
    ].join('\n');
    const refused = await run(['import', file]);
    expect(refused).toMatchObject({ status: 2, out: '' });
    expect(refused.err).toBe(`keylane accounts import: ${lines}\nSee keylane accounts import --help.\n`);
    expect(await stored()).toEqual([]);
    expect(await run(['import', '--skip-bad', file])).toEqual({
      status: 1,
      out: '1 added, 0 replaced, 3 skipped\n',
      err: `${lines}\n`,
    });
    expect((await stored()).map(({ endpoint }) => endpoint.host)).toEqual(['a.example']);
  });

  it.each([
    [['add', 'a'], 'account.endpoint: expected an object', '--help'],
    [['add', 'a', '--host', 'h', '--driver', 'smtp', '-i', 'k'], 'account.identity: goes with ssh', '--help'],
    [['show', 'nobody'], 'there is no account "nobody"', '`keylane accounts list` has them'],
    [['import', 'nowhere.csv'], 'nowhere.csv: ENOENT', '--help'],
  ])('refuses %j with status 2 and says what to do', async (args, why, fix) => {
    const { status, err } = await run(args);
    expect(err).toContain(why);
    expect(err).toContain(fix);
    expect(status).toBe(2);
  });

  it('says of a data directory that it cannot use which it is', async () => {
    writeFileSync(dataDir, 'a file');
    const { status, err } = await run(['list']);
    expect(status).toBe(2);
    expect(err).toContain(dataDir);
  });
});

describe('keylane accounts verify', () => {
  it('tells which accounts work, with status 1 if one does not', async () => {
    await using sshd = await startSshd({ addresses: ['127.72.1.1', '127.72.1.2'] });
    const login = ['-l', sshd.user, '-p', String(sshd.port), '-i', sshd.identity];
    const known = ['--known-hosts', sshd.knownHosts];
    await run(['add', 'good', '--host', '127.72.1.1', ...login, ...known, '--label', 'ok']);
    await run(['add', 'bad', '--host', '127.72.1.2', ...login, '--known-hosts', '/dev/null']);
    const all = await run(['verify', '-F', 'none']);
    expect(all).toMatchObject({ status: 1, err: '' });
    expect(all.out).toMatch(
      /^FAIL {2}bad {3}ssh {2}ERR_HOST_KEY: .*\nok {4}good {2}ssh {2}connection in \d+ ms\n1 ok, 1 failed\n$/,
    );
    const some = await run(['verify', '-F', 'none', '--label', 'ok', '--format', 'ndjson']);
    expect(some).toMatchObject({ status: 0, err: '' });
    expect(JSON.parse(some.out)).toMatchObject({ name: 'good', driver: 'ssh', tried: 'connection', ok: true });
    expect(await run(['verify', 'godo'])).toMatchObject({
      status: 2,
      err: expect.stringContaining('did you mean `good`?'),
    });
  }, 60_000);

  it('ends at Ctrl-C with status 130, whoever has not answered, and says how far it came', async () => {
    const sockets: Socket[] = [];
    const mute = createServer((socket) => sockets.push(socket)).listen(0, '127.72.1.3');
    try {
      await once(mute, 'listening');
      await run([
        'add',
        'slow',
        '--host',
        '127.72.1.3',
        '-p',
        String(portOf(mute)),
        '-l',
        'x',
        '--known-hosts',
        '/dev/null',
      ]);
      const cli = new Cli(['accounts', 'verify', '-F', 'none', '--data-dir', dataDir]);
      await once(mute, 'connection');
      cli.child.kill('SIGINT');
      const { status, out } = await cli.end();
      expect(out).toMatch(/^FAIL {2}slow {2}ssh {2}ERR_CANCELED: .*\n0 ok, 1 failed\n$/);
      expect(status).toBe(130);
    } finally {
      for (const socket of sockets) socket.destroy();
      mute.close();
    }
  });
});
