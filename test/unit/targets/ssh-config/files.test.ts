import { chmodSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { usualFiles } from '../../../../src/targets/ssh-config/ssh-config.js';
import type { SshConfigFile } from '../../../../src/targets/ssh-config/types.js';
import { errorOf, now, Scratch } from './scratch.js';

describe('the files of ssh_config', () => {
  it('are those of the user and then of the system, or that of -F alone', () => {
    expect(usualFiles('/home/me')).toEqual([
      { path: '/home/me/.ssh/config', from: 'user' },
      { path: '/etc/ssh/ssh_config', from: 'system' },
    ]);
    expect(usualFiles('/home/me', '/x')).toEqual([{ path: '/x', from: 'flag' }]);
    expect(usualFiles('/home/me', 'none')).toEqual([]);
  });

  it("count in their order, so that the user's values win", () => {
    const scratch = new Scratch({ user: 'User a\n', system: 'User b\nPort 7\n' });
    const config = now(scratch.open({ files: two(scratch) }).resolve({ host: 'h' }));
    expect([config.user, config.port]).toEqual(['a', 7]);
  });

  it('may be missing, but for the one of -F', () => {
    const scratch = new Scratch({ system: 'Port 7\n' });
    expect(now(scratch.open({ files: two(scratch) }).resolve({ host: 'h' })).port).toBe(7);
    expect(errorOf(() => scratch.open().resolve({ host: 'h' }))).toMatch(
      /^ERR_CONFIG .*\/config: there is no such file/,
    );
  });

  it("are refused where others may write the user's or an included one, and taken where it is that of -F", () => {
    const scratch = new Scratch({ user: 'Port 7\n', config: 'Port 7\n', including: 'Include @DIR@/user\n' });
    for (const name of ['user', 'config']) chmodSync(scratch.path(name), 0o602);
    const open = (name: string, from: SshConfigFile['from']) => () =>
      now(scratch.open({ files: [{ path: scratch.path(name), from }] }).resolve({ host: 'h' })).port;
    expect(errorOf(open('user', 'user'))).toMatch(/^ERR_CONFIG .*\/user: bad owner or permissions.*chmod go-w/);
    expect(errorOf(open('including', 'flag'))).toMatch(/\/user: bad owner or permissions/);
    expect(open('config', 'flag')()).toBe(7);
    expect(open('user', 'system')()).toBe(7);
  });

  it('are refused where one has more than 1 MiB, or all together are too large', () => {
    const scratch = new Scratch({ config: `${'#'.repeat(1024 * 1024)}\n` });
    expect(errorOf(() => scratch.open().resolve({ host: 'h' }))).toMatch(/^ERR_CONFIG .*more than 1048576 bytes/);
    scratch.write('x', `${'#'.repeat(1024 * 1023)}\n`);
    scratch.write('config', 'Include @DIR@/x @DIR@/x @DIR@/x @DIR@/x @DIR@/x\n');
    expect(errorOf(() => scratch.open().resolve({ host: 'h' }))).toMatch(/^ERR_CONFIG .*all files together/);
  });

  it('are read once and kept until one changes', () => {
    const scratch = new Scratch({ config: 'Include @DIR@/x\nPort 7\n', x: 'User a\n' });
    const open = scratch.open();
    const first = open.resolve({ host: 'h' });
    expect(open.resolve({ host: 'h' })).toBe(first);
    scratch.clock.advance(1_000);
    expect(open.resolve({ host: 'h' })).toBe(first);
    scratch.write('x', 'User other\n');
    expect(open.resolve({ host: 'h' })).toBe(first);
    scratch.clock.advance(250);
    expect(now(open.resolve({ host: 'h' })).user).toBe('other');
  });

  it('are read again where a file appears that an Include looks for, or vanishes', () => {
    const scratch = new Scratch({ config: 'Include @DIR@/d/*.conf @DIR@/single\n', 'd/x.txt': '' });
    const open = scratch.open();
    const user = () => {
      scratch.clock.advance(250);
      return now(open.resolve({ host: 'h' })).user;
    };
    expect(user()).toBeUndefined();
    scratch.write('single', 'User single\n');
    expect(user()).toBe('single');
    scratch.write('d/a.conf', 'User globbed\n');
    expect(user()).toBe('globbed');
    rmSync(scratch.path('d'), { recursive: true });
    expect(user()).toBe('single');
  });

  it('keep their mistake until they are mended', () => {
    const scratch = new Scratch({ config: 'Port x\n' });
    const open = scratch.open();
    const error = errorOf(() => open.resolve({ host: 'h' }));
    expect(error).toMatch(/^ERR_CONFIG .*config:1: Port: /);
    expect(errorOf(() => open.resolve({ host: 'other' }))).toBe(error);
    scratch.write('config', 'Port 22\n');
    scratch.clock.advance(250);
    expect(now(open.resolve({ host: 'h' })).port).toBe(22);
  });

  it('of the system may not name a home in an Include', () => {
    const scratch = new Scratch({ system: 'Include ~/x\n' });
    const open = scratch.open({ files: [{ path: scratch.path('system'), from: 'system' }] });
    expect(errorOf(() => open.resolve({ host: 'h' }))).toMatch(/^ERR_CONFIG .*system:1: Include: /);
  });
});

function two(scratch: Scratch): SshConfigFile[] {
  return [
    { path: scratch.path('user'), from: 'user' },
    { path: scratch.path('system'), from: 'system' },
  ];
}
