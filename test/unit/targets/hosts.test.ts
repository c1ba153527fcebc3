import { describe, expect, it } from 'vitest';
import { excludeHosts, expandHosts, parseHost } from '../../../src/targets/hosts.ts';

describe('expandHosts', () => {
  it.each([
    ['web-1', ['web-1']],
    ['web-[1-3].example', ['web-1.example', 'web-2.example', 'web-3.example']],
    ['web-[08-10,30]', ['web-08', 'web-09', 'web-10', 'web-30']],
    ['web-[099-101]', ['web-099', 'web-100', 'web-101']],
    ['r[1-2]n[01-02]', ['r1n01', 'r1n02', 'r2n01', 'r2n02']],
    ['db[0-10/4]', ['db0', 'db4', 'db8']],
    ['db[0-9/4]', ['db0', 'db4', 'db8']],
    ['a,b c\n d,,', ['a', 'b', 'c', 'd']],
    ['b,a,b,a', ['b', 'a']],
    ['web[3,1-3]', ['web3', 'web1', 'web2']],
    ['root@web-[1-2]:2222', ['root@web-1:2222', 'root@web-2:2222']],
    ['[::1]:22', ['[::1]:22']],
    ['::1', ['::1']],
    ['u@fe80::1%eth0', ['u@fe80::1%eth0']],
    ['2001:db8::[1-2]', ['2001:db8::1', '2001:db8::2']],
    ['127.1.0.[9-11]', ['127.1.0.9', '127.1.0.10', '127.1.0.11']],
    ['häuser_1.example.', ['häuser_1.example.']],
    ['', []],
  ])('reads %j as clush does', (pattern, hosts) => {
    expect(expandHosts(pattern)).toEqual(hosts);
  });

  it('takes several lists and keeps the order written', () => {
    expect(expandHosts(['b[1-2]', 'a', 'b1'])).toEqual(['b1', 'b2', 'a']);
  });

  it.each([
    ['web[3-1]', 'reversed', 'write 1-3'],
    ['web[]', 'empty range', 'write numbers'],
    ['web[1', '"["', 'write ranges as'],
    ['web[[1]]', '"["', 'write ranges as'],
    ['web1]', '"]"', 'write ranges as'],
    ['web[1-]', '"1-"', 'write numbers'],
    ['web[a-c]', '"a-c"', 'write numbers'],
    ['web[1-010]', 'range "1-010"', 'same number of digits'],
    ['web[01-100]', 'range "01-100"', 'same number of digits'],
    ['web[0-9/0]', 'step 0', '1 or more'],
    ['-oProxyCommand=x', 'starts with "-"', 'a flag goes before'],
    ['u@-x', 'starts with "-"', 'a flag goes before'],
    ['-u@x', 'user that starts with "-"', 'a flag goes before'],
    ['@web', 'is a group', 'keylane.yaml or of an inventory'],
    ['a!b', '"!"', 'use -x'],
    ['a&b', '"&"', 'use -x'],
    ['a\u0007b', 'control character', 'take it out'],
    ['a;b', '";"', 'use letters'],
    ['http://a', 'port "//a"', '1 to 65535'],
    ['a:0', 'port "0"', '1 to 65535'],
    ['a:65536', 'port "65536"', '1 to 65535'],
    ['a:22:33', 'several ":"', '[address]:port'],
    ['[::1::2]:22', 'no IPv6 address', '[address]:port'],
    ['root@', 'names no host', 'write a host'],
    ['a'.repeat(254), 'longer than 253', 'cannot be'],
    ['a[0-9][0-9][0-9][0-9][0-9][0-9][0-9]', 'more than 1,000,000', 'split'],
    ['a[0-99999999999]', 'more than 1,000,000', 'split'],
  ])('refuses %j and names the pattern and the fix', (pattern, what, fix) => {
    const error = thrownBy(() => expandHosts(pattern));
    expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', retryable: false });
    expect(error.message).toContain(JSON.stringify(pattern).slice(0, 20));
    expect(error.message).toContain(what);
    expect(error.message).toContain(fix);
  });

  it('takes a million hosts and refuses one more, also over several patterns', () => {
    expect(expandHosts('h[0-999999]')).toHaveLength(1_000_000);
    expect(() => expandHosts('h[0-999999],x')).toThrow('more than 1,000,000');
  });
});

describe('a group', () => {
  const groups = (name: string) => ({ web: ['web-1', 'root@web-2:22'], none: [] })[name];

  it('stands for its hosts, wherever a pattern may stand', () => {
    expect(expandHosts('db-1,@web @none', groups)).toEqual(['db-1', 'web-1', 'root@web-2:22']);
    expect(excludeHosts(['web-1', 'web-2', 'web-3'], '@web', { port: 22, user: 'root' }, groups)).toEqual(['web-3']);
  });

  it('that is not known is refused by name', () => {
    expect(() => expandHosts('@wbe', groups)).toThrow('host "@wbe" is no group that is known');
    expect(() => expandHosts('@', groups)).toThrow('is no group that is known');
    expect(() => expandHosts('@web')).toThrow('is a group: groups are those of keylane.yaml or of an inventory');
  });
});

describe('groups in patterns', () => {
  const groups = (name: string) => ({ web: ['w1', 'w2'], eu: ['w2', 'd1'], none: [] })[name];

  it.each([
    ['@web,x', ['w1', 'w2', 'x']],
    ['@web&@eu', ['w2']],
    ['@eu&@web&@eu', ['w2']],
    ['@web&@none', []],
    ['@none', []],
  ])('%s is %j', (pattern, hosts) => {
    expect(expandHosts(pattern, groups)).toEqual(hosts);
  });

  it.each([
    ['@db', '"@db" is no group that is known'],
    ['@web&w1', '"w1" is no group that is known'],
    ['@web&', '"" is no group that is known'],
    ['@', '"@" is no group that is known'],
    ['w1&@web', 'has "&"'],
  ])('%s is refused', (pattern, message) => {
    expect(() => expandHosts(pattern, groups)).toThrow(message);
  });

  it('leave their hosts out with -x', () => {
    expect(excludeHosts(['w1', 'w2', 'd1', 'x'], '@web&@eu,x', {}, groups)).toEqual(['w1', 'd1']);
  });
});

describe('parseHost', () => {
  it.each([
    ['web-1', { host: 'web-1' }],
    ['deploy@web-1:2222', { host: 'web-1', user: 'deploy', port: 2222 }],
    ['me@corp.example@web-1', { host: 'web-1', user: 'me@corp.example' }],
    ['[::1]:2222', { host: '::1', port: 2222 }],
    ['[::1]', { host: '::1' }],
    ['root@::1', { host: '::1', user: 'root' }],
  ])('takes %j apart', (text, parts) => {
    expect(parseHost(text)).toEqual(parts);
  });
});

describe('excludeHosts', () => {
  const hosts = ['web-1', 'root@web-2:2222', 'web-3', '::1'];

  it('leaves out a host whatever its user and port', () => {
    expect(excludeHosts(hosts, 'WEB-[2-3],[::1]')).toEqual(['web-1']);
  });

  it('compares a user or port of the pattern with what the host would use', () => {
    expect(excludeHosts(hosts, 'root@web-[1-3]')).toEqual(['web-1', 'web-3', '::1']);
    expect(excludeHosts(hosts, 'root@web-[1-3]', { user: 'root' })).toEqual(['::1']);
    expect(excludeHosts(hosts, ['web-1:22', 'web-2:22'])).toEqual(['root@web-2:2222', 'web-3', '::1']);
    expect(excludeHosts(hosts, 'web-1:22', { port: 2200 })).toEqual(hosts);
  });
});

function thrownBy(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}
