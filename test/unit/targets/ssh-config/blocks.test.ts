import { describe, expect, it } from 'vitest';
import { errorOf, now, resolved, Scratch } from './scratch.js';

/** The user is the mark of the block that was in force. */
const user = (text: string, host: string, more = {}) => resolved(text, { host, ...more }).user;

describe('Host', () => {
  it('is in force for hosts that match one pattern and no negated one', () => {
    const text = 'Host web-* !web-9 db\n User a\nHost *\n User b\n';
    expect(['web-1', 'web-9', 'db', 'x'].map((host) => user(text, host))).toEqual(['a', 'b', 'a', 'b']);
  });

  it('needs a pattern that is not negated', () => {
    expect(user('Host !web-9\n User a\n', 'h')).toBeUndefined();
  });

  it('compares names as they are typed, capitals too', () => {
    expect(user('Host WEB\n User a\n', 'web')).toBeUndefined();
    expect(user('Host WEB\n User a\n', 'WEB')).toBe('a');
  });

  it('lets the first value win, whichever block it is in', () => {
    const config = resolved('User first\nHost h\n User second\n Port 7\nHost *\n Port 8\n');
    expect([config.user, config.port]).toEqual(['first', 7]);
  });
});

describe('Match', () => {
  it('looks at the host after HostName, and at the host that was typed', () => {
    const text = 'Host h\n HostName real.example\nMatch host real.*\n User a\nMatch originalhost h\n Port 7\n';
    expect([user(text, 'h'), resolved(text).port]).toEqual(['a', 7]);
  });

  it('looks at the user of the caller, of an earlier line, and of this machine', () => {
    expect(user('Match user bob\n HostName x\n', 'h', { user: 'bob' })).toBe('bob');
    expect(resolved('Match user bob\n HostName x\n', { user: 'bob' }).hostName).toBe('x');
    expect(resolved('User bob\nMatch user bob\n HostName x\n').hostName).toBe('x');
    expect(resolved('Match localuser me user me\n HostName x\n').hostName).toBe('x');
  });

  it('needs every criterion, and none that is negated', () => {
    const text = 'Match host h !user bob\n HostName x\n';
    expect(resolved(text).hostName).toBe('x');
    expect(resolved(text, { user: 'bob' }).hostName).toBe('h');
  });

  it('takes "all" for every host', () => {
    expect(user('Host other\n User a\nMatch all\n User b\n', 'h')).toBe('b');
  });

  it('looks at a tag, which the caller or an earlier line gives', () => {
    const text = 'Match tagged prod\n User a\nMatch tagged ""\n User b\n';
    expect(user(text, 'h')).toBe('b');
    expect(user(text, 'h', { tag: 'prod' })).toBe('a');
    expect(user(`Tag prod\n${text}`, 'h')).toBe('a');
  });

  it('reads the files twice where "final" asks for it, with the host that was found', () => {
    const text = 'Host h\n HostName real.example\nHost real.example\n Port 7\nMatch final\n User a\n';
    const config = resolved(text);
    expect([config.user, config.port, config.hostName]).toEqual(['a', 7, 'real.example']);
    expect(resolved(text.replace('Match final', 'Match canonical')).port).toBeUndefined();
  });

  it('refuses criteria that ssh refuses, in blocks for other hosts too', () => {
    const wrong = ['Match', 'Match host', 'Match all host x', 'Match sometimes', 'Match host #x'];
    for (const line of wrong)
      expect(errorOf(() => resolved(`Host other\n${line}\n`))).toMatch(/^ERR_CONFIG .*config:2: match: /i);
  });

  it('names a criterion that it cannot follow, only where the others match', () => {
    const text = 'Match host web-* localnetwork 10.0.0.0/8\n User a\n';
    expect(user(text, 'h')).toBeUndefined();
    expect(errorOf(() => user(text, 'web-1'))).toMatch(/^ERR_CONFIG_UNSUPPORTED .*config:1: Match localnetwork: /);
  });
});

describe('Include', () => {
  it('puts files in the order of their names into the place of the line', () => {
    const scratch = new Scratch({
      config: 'Include @DIR@/d/*.conf\nUser last\n',
      'd/2.conf': 'User two\nPort 2\n',
      'd/1.conf': 'Host other\n User one\n',
      'd/.hidden.conf': 'User hidden\n',
    });
    const config = now(scratch.open().resolve({ host: 'h' }));
    expect([config.user, config.port]).toEqual(['two', 2]);
    expect(config.where('port')).toEqual({ file: scratch.path('d/2.conf'), line: 2 });
  });

  it('counts only where the block around it is in force, and leaves that block as it was', () => {
    const files = {
      config: 'Host a\nInclude @DIR@/x\n Port 7\n',
      x: 'User all\nHost b\n User b\nHost *\n HostName seen\n',
    };
    const open = new Scratch(files).open();
    const of = (host: string) => now(open.resolve({ host }));
    expect([of('a').user, of('a').hostName, of('a').port]).toEqual(['all', 'seen', 7]);
    expect([of('b').user, of('b').hostName, of('b').port]).toEqual([undefined, 'b', undefined]);
  });

  it('takes relative paths from ~/.ssh, and ~ as the home', () => {
    const scratch = new Scratch({
      config: 'Include more\nInclude ~/other\n',
      'home/.ssh/more': 'User a\n',
      'home/other': 'Port 7\n',
    });
    const config = now(scratch.open().resolve({ host: 'h' }));
    expect([config.user, config.port]).toEqual(['a', 7]);
  });

  it('reads quoted names, classes of characters and escaped stars', () => {
    const scratch = new Scratch({
      config: 'Include "@DIR@/a b" @DIR@/[!x-z]1 @DIR@/\\\\*\n',
      'a b': 'User a\n',
      x1: 'Port 1\n',
      y1: 'Port 2\n',
      q1: 'Port 3\n',
      '*': 'HostName star\n',
    });
    const config = now(scratch.open().resolve({ host: 'h' }));
    expect([config.user, config.port, config.hostName]).toEqual(['a', 3, 'star']);
  });

  it('goes on where nothing is there to be included', () => {
    expect(resolved('Include /nowhere/*.conf /nowhere/x\nUser a\n').user).toBe('a');
  });

  it('refuses a file that includes itself, and names the line', () => {
    const scratch = new Scratch({ config: 'Include @DIR@/x\n', x: '\nInclude @DIR@/y\n', y: 'Include @DIR@/x\n' });
    expect(errorOf(() => scratch.open().resolve({ host: 'h' }))).toMatch(
      /^ERR_CONFIG .*\/y:1: Include: .*includes itself/,
    );
  });

  it('refuses files that are nested deeper than 16, and more than a thousand of them', () => {
    const deep = Object.fromEntries(Array.from({ length: 18 }, (_, at) => [`f${at}`, `Include @DIR@/f${at + 1}\n`]));
    expect(errorOf(() => new Scratch({ config: 'Include @DIR@/f0\n', ...deep }).open().resolve({ host: 'h' }))).toMatch(
      /deeper than 16/,
    );
    const twice = Object.fromEntries(
      Array.from({ length: 15 }, (_, at) => [`f${at}`, `Include @DIR@/f${at + 1} @DIR@/f${at + 1}\n`]),
    );
    expect(
      errorOf(() =>
        new Scratch({ config: 'Include @DIR@/f0\n', ...twice, f15: 'User a\n' }).open().resolve({ host: 'h' }),
      ),
    ).toMatch(/more than 1000 files/);
  });

  it('refuses a link to nothing that a pattern has found', async () => {
    const scratch = new Scratch({ config: 'Include @DIR@/d/*\n', 'd/a': 'User a\n' });
    const { symlinkSync } = await import('node:fs');
    symlinkSync('/nowhere/at/all', scratch.path('d/b'));
    expect(errorOf(() => scratch.open().resolve({ host: 'h' }))).toMatch(/^ERR_CONFIG .*\/d\/b: there is no such file/);
  });
});
