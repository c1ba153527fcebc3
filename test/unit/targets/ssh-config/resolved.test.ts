// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ssh writes variables of the environment like this.
import { hostname, userInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { printResolved } from '../../../../src/targets/ssh-config/print.js';
import { errorOf, now, resolved, Scratch } from './scratch.js';

describe('the options of a destination', () => {
  it('are those of OpenSSH where no file says anything', () => {
    const config = resolved('');
    expect([config.hostName, config.user, config.port, config.strictHostKeyChecking]).toEqual([
      'h',
      undefined,
      undefined,
      'ask',
    ]);
    expect([config.identitiesOnly, config.serverAliveCountMax, config.connectTimeoutMs]).toEqual([false, 3, undefined]);
    expect(config.where('identityfile')).toBeUndefined();
    expect(config.identityFiles.map((path) => path.replace(/^.*\/home\//, '~/'))).toContain('~/.ssh/id_ed25519');
  });

  it('know the file and line of each value', () => {
    const scratch = new Scratch({ config: 'Host h\n  User a\n  IdentityFile k\n' });
    const config = now(scratch.open().resolve({ host: 'h', port: 7 }));
    expect(config.where('user')).toEqual({ file: scratch.path('config'), line: 2 });
    expect(config.where('identityfile')?.line).toBe(3);
    expect(config.where('port')).toBeUndefined();
  });

  it('add up keys and certificates, each once, and the names of variables, which `-` takes back', () => {
    const config = resolved(
      'IdentityFile /a\nIdentityFile /b\nIdentityFile /a\nIdentityFile none\nSendEnv LANG LC_* X\nSendEnv -LC_*\n',
    );
    expect(config.identityFiles).toEqual(['/a', '/b']);
    expect(config.sendEnv).toEqual(['LANG', 'X']);
  });

  it('take the first SetEnv line whole, and the first value of a name in it', () => {
    expect(resolved('SetEnv A=1 B="2 3" A=9\nSetEnv C=4\n').setEnv).toEqual({ A: '1', B: '2 3' });
  });

  it('put the home, tokens and variables into paths', () => {
    process.env.KEYLANE_TEST_NAME = 'va%hlue';
    const scratch = new Scratch({
      config: [
        'Host typed\nHostName real.example\nUser bob\nPort 7',
        'IdentityFile ~/%n-%h-%p-%r-%u-%%-%k\nIdentityFile /${KEYLANE_TEST_NAME}/%i/%L',
        'CertificateFile %d/c\nUserKnownHostsFile ~/%h /b\nControlPath /tmp/%C',
      ].join('\n'),
    });
    const config = now(scratch.open().resolve({ host: 'typed' }));
    const home = scratch.path('home');
    const short = hostname().split('.')[0];
    expect(config.identityFiles).toEqual([
      `${home}/typed-real.example-7-bob-me-%-typed`,
      `/va%hlue/${userInfo().uid}/${short}`,
    ]);
    expect(config.certificateFiles).toEqual([`${home}/c`]);
    expect(config.userKnownHostsFiles).toEqual([`${home}/real.example`, '/b']);
    expect(config.controlPath).toMatch(/^\/tmp\/[0-9a-f]{40}$/);
    expect(config.expand('nc %h %p')).toBe('nc real.example 7');
  });

  it('refuse a token that there is not, where ssh would use it, by file and line', () => {
    for (const line of ['HostName %q', 'ControlPath /%q', 'UserKnownHostsFile ~/%', 'RemoteCommand %z'])
      expect(errorOf(() => resolved(`\n${line}\n`))).toMatch(/^ERR_CONFIG .*config:2: .* is no token here/);
    const config = resolved('IdentityFile /%q\n');
    expect(errorOf(() => config.identityFiles)).toMatch(/^ERR_CONFIG .*config:1: identityfile: "%q" is no token/);
    expect(errorOf(() => resolved('ControlPath ${KEYLANE_NO_SUCH_NAME}\n'))).toMatch(
      /the environment has no KEYLANE_NO_SUCH_NAME/,
    );
  });

  it('refuse a user with tokens, which versions of ssh expand or not', () => {
    expect(errorOf(() => resolved('User %u\n'))).toMatch(/^ERR_CONFIG_UNSUPPORTED .*:1: User: /);
  });

  it('jump through hosts in their order, unless a proxy command came first', () => {
    const jump = 'ProxyJump bob@a:7,[::1],ssh://eve@c:9\n';
    expect(resolved(jump).proxyJump).toEqual([
      { user: 'bob', host: 'a', port: 7 },
      { host: '::1' },
      { user: 'eve', host: 'c', port: 9 },
    ]);
    expect(resolved(`${jump}ProxyCommand x\n`).proxyCommand).toBeUndefined();
    expect(resolved(`ProxyCommand none\n${jump}`).proxyJump).toBeUndefined();
    expect(resolved('ProxyJump none\n').proxyJump).toEqual([]);
  });

  it('refuse a host that jumps through itself', () => {
    expect(errorOf(() => resolved('ProxyJump h\n'))).toMatch(
      /^ERR_CONFIG .*:1: ProxyJump: the host jumps through itself: h/,
    );
    expect(resolved('ProxyJump h:23\n').proxyJump).toEqual([{ host: 'h', port: 23 }]);
    expect(resolved('ProxyJump other@h\n', { user: 'me' }).proxyJump).toEqual([{ user: 'other', host: 'h' }]);
  });

  it('refuse what a RefuseConnection in force refuses', () => {
    expect(errorOf(() => resolved('RefuseConnection "use the new host"\n'))).toMatch(
      /:1: RefuseConnection: use the new host/,
    );
    expect(resolved('Host other\nRefuseConnection x\n').hostName).toBe('h');
  });

  it('let the caller win over the files', () => {
    const config = resolved('User a\nPort 7\nControlPath /%r-%p\n', { user: 'bob', port: 9 });
    expect([config.user, config.port, config.controlPath]).toEqual(['bob', 9, '/bob-9']);
  });

  it('have times in milliseconds and addresses in their usual form', () => {
    const config = resolved('ConnectTimeout none\nConnectTimeout 1m30\nServerAliveInterval 2h\nHostName 127.1\n');
    expect([config.connectTimeoutMs, config.serverAliveIntervalMs, config.hostName]).toEqual([
      90_000,
      7_200_000,
      '127.0.0.1',
    ]);
    expect(resolved('HostName ::0:1\n').hostName).toBe('::1');
    expect(resolved('HostName Web.Example\n').hostName).toBe('web.example');
  });

  it('are printed in the names and the order of ssh -G', () => {
    const lines = printResolved(resolved('User a\nProxyJump b\nSendEnv X\nGlobalKnownHostsFile /a /b\n')).split('\n');
    expect(lines.slice(0, 5)).toEqual(['host h', 'user a', 'hostname h', 'port 22', 'addressfamily any']);
    expect(lines).toContain('globalknownhostsfile /a /b');
    expect(lines).toContain('canonicalizePermittedcnames none');
    expect(lines.slice(-2)).toEqual(['proxyjump b', '']);
  });
});
