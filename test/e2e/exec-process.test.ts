import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { Cli, loginFlags, run } from './exec-cli.ts';

let sshd: Sshd;
let login: string[];

beforeAll(async () => {
  sshd = await startSshd({ addresses: ['127.6.1.1', '127.6.1.2', '127.6.1.3', '127.6.1.4'] });
  login = loginFlags(sshd);
});
afterAll(async () => {
  await sshd?.stop();
});

describe('the keylane process', () => {
  it('prints the version of package.json, and help', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await run(['--version'])).toEqual({ status: 0, out: `${version}\n`, err: '' });
    expect(await run(['-V'])).toMatchObject({ status: 0, out: `${version}\n` });
    expect((await run(['exec', '--help'])).out).toContain('Examples:');
  });

  it('refuses what it does not know with status 2', async () => {
    expect(await run(['exex'])).toMatchObject({ status: 2, out: '' });
    expect(await run(['exec', '--unknown', 'a', '--', 'true'])).toMatchObject({ status: 2, out: '' });
    expect(await run(['exec', 'a', 'true'])).toMatchObject({ status: 2, out: '' });
  });

  it('ends quietly when its reader goes away', async () => {
    const cli = new Cli(['exec', ...login, '127.6.1.[1-2]', '--', 'seq 100000; exec sleep 1000']);
    await cli.until('out', '127.6.1.');
    cli.child.stdout?.destroy();
    expect(await cli.end()).toMatchObject({ status: 141, err: '' });
  });

  it('behaves in a pipe as others do', () => {
    const quoted = [process.execPath, 'dist/src/cli/main.js', 'exec', ...login, '127.6.1.1', '--', 'seq 100000']
      .map((word) => `'${word}'`)
      .join(' ');
    const { stdout, stderr, status } = spawnSync('bash', ['-c', `${quoted} | head -1; exit "\${PIPESTATUS[0]}"`], {
      cwd: new URL('../../', import.meta.url),
      encoding: 'utf8',
    });
    expect({ stdout, stderr, status }).toEqual({ stdout: '127.6.1.1: 1\n', stderr: '', status: 141 });
  });

  it('prints no stack where nobody reads its help', async () => {
    const cli = new Cli(['exec', '--help']);
    cli.child.stdout?.destroy();
    expect(await cli.end()).toMatchObject({ err: '' });
  });
});

describe('Ctrl-C', () => {
  it('once lets finish what is in flight and starts no more', async () => {
    const gate = join(sshd.dir, 'gate');
    execFileSync('mkfifo', ['-m', '666', gate]);
    const held = openSync(gate, 'r+');
    try {
      const command = `echo started; read line < ${gate}; echo finished`;
      const cli = new Cli(['exec', ...login, '-c', '2', '127.6.1.[1-4]', '--', command]);
      await cli.until('out', 'started', 2);
      cli.child.kill('SIGINT');
      await cli.until('err', 'waiting for 2 hosts in flight, 2 will not start');
      writeSync(held, 'go\ngo\n');
      const { status, out, err } = await cli.end();
      expect(out.split('finished')).toHaveLength(3);
      expect(out.split('started')).toHaveLength(3);
      expect(err).toContain('2 ok, 2 not started');
      expect(err).toContain('interrupted before it started: 127.6.1.[3-4]');
      expect(status).toBe(130);
    } finally {
      closeSync(held);
    }
  });

  it('twice cuts: what ran is canceled, and the process ends', async () => {
    const cli = new Cli(['exec', ...login, '-c', '2', '127.6.1.[1-3]', '--', 'echo started; exec sleep 1000']);
    await cli.until('out', 'started', 2);
    cli.child.kill('SIGINT');
    await cli.until('err', 'waiting for 2 hosts');
    cli.child.kill('SIGINT');
    const { status, err } = await cli.end();
    expect(err).toContain('cutting 2 hosts in flight');
    expect(err).toMatch(/0 ok, 1 not started, 2 canceled/);
    expect(status).toBe(130);
  });

  it('is not needed for SIGTERM, which cuts at once', async () => {
    const cli = new Cli(['exec', ...login, '127.6.1.1', '--', 'echo started; exec sleep 1000']);
    await cli.until('out', 'started');
    cli.child.kill('SIGTERM');
    await once(cli.child, 'close');
    expect(cli.child.exitCode).toBe(143);
    expect(cli.err).toContain('0 ok, 1 canceled');
  });
});
