import { describe, expect, it } from 'vitest';
import type { ResolvedConfig } from '../../../../src/targets/ssh-config/resolved.js';
import { now, resolved, Scratch } from './scratch.js';

const names = (config: ResolvedConfig) => ({
  needsOpenSsh: config.needsOpenSsh.map(({ directive }) => directive),
  unsupported: config.unsupported.map(({ directive }) => directive),
});
const NOTHING = { needsOpenSsh: [], unsupported: [] };

describe('what goes beyond our own transport', () => {
  it('is nothing where the files say nothing of it, or say what is so anyway', () => {
    expect(names(resolved(''))).toEqual(NOTHING);
    const off =
      'ForwardAgent no\nProxyCommand none\nGSSAPIAuthentication no\nTunnel no\nRemoteCommand none\nSessionType default\n';
    expect(names(resolved(off))).toEqual(NOTHING);
  });

  it('names what only ssh can do, with value, file, line and the reason', () => {
    const scratch = new Scratch({ config: 'User a\nHost h\n  CertificateFile ~/c\nHost other\n  ForwardAgent yes\n' });
    const config = now(scratch.open().resolve({ host: 'h' }));
    expect(config.needsOpenSsh).toEqual([
      {
        directive: 'CertificateFile',
        value: '~/c',
        file: scratch.path('config'),
        line: 3,
        why: 'certificates cannot be used',
      },
    ]);
  });

  it.each([
    ...['ProxyCommand nc %h %p', 'KnownHostsCommand /x', 'PKCS11Provider /x'],
    ...[
      'SecurityKeyProvider /x',
      'HostbasedAuthentication yes',
      'GSSAPIAuthentication yes',
      'VerifyHostKeyDNS yes',
      'CheckHostIP yes',
    ],
    ...['RevokedHostKeys /x', 'BindInterface eth0', 'ChannelTimeout session=5m', 'VerifyHostKeyDNS ask'],
    ...['PubkeyAcceptedAlgorithms ssh-ed25519,rsa-sha2-512', 'PubkeyAcceptedAlgorithms -rsa-sha2-256'],
  ])('is what %s asks for: ssh has to do it', (text) => {
    expect(names(resolved(`${text}\n`)).needsOpenSsh).toHaveLength(1);
  });

  it.each([
    ...['RemoteCommand tmux', 'SessionType none', 'ForkAfterAuthentication yes'],
    ...['Tunnel yes', 'ForwardX11 yes', 'StdinNull yes', 'SessionType subsystem'],
    ...['LocalForward 80 a:1', 'RemoteForward 80', 'DynamicForward 1080', 'LocalCommand x\nPermitLocalCommand yes'],
  ])('is what %s asks for: nothing here can', (text) => {
    expect(names(resolved(`${text}\n`)).unsupported).toEqual([text.split(' ')[0]]);
  });

  it.each([
    ...['EscapeChar none', 'ControlMaster auto', 'ControlPath /x', 'ControlPersist 60', 'VisualHostKey yes'],
    ...['UpdateHostKeys yes', 'FingerprintHash md5', 'Compression yes', 'TCPKeepAlive no', 'IPQoS none'],
    ...['RekeyLimit 1G', 'LogLevel DEBUG', 'ObscureKeystrokeTiming no', 'CASignatureAlgorithms ssh-ed25519'],
    ...['RequestTTY yes', 'NumberOfPasswordPrompts 1', 'BatchMode yes', 'PubkeyAuthentication unbound'],
    ...['LocalCommand x', 'KbdInteractiveDevices pam', 'AddKeysToAgent yes'],
  ])('is not what %s asks for: it is ignored, and listed', (text) => {
    const config = resolved(`${text}\n`);
    expect(names(config)).toEqual(NOTHING);
    expect(config.ignored.map(({ directive }) => directive)).toEqual([text.split(' ')[0]]);
  });

  it.each([
    ...['PreferredAuthentications publickey', 'PasswordAuthentication no', 'KbdInteractiveAuthentication no'],
    ...['PubkeyAuthentication no', 'NumberOfPasswordPrompts 0', 'RequiredRSASize 3072', 'ConnectionAttempts 3'],
    ...['PubkeyAcceptedAlgorithms ssh-ed25519', 'PubkeyAcceptedAlgorithms +ssh-rsa', 'RequestTTY force'],
    ...['ForwardAgent /run/agent', 'ForwardAgent $AGENT', 'BindAddress 127.0.0.1', 'AddressFamily inet6'],
    ...['HostbasedAuthentication no', 'CheckHostIP no', 'StdinNull no', 'SessionType default'],
  ])('is not what %s asks for: it acts', (text) => {
    const config = resolved(`${text}\n`);
    expect(names(config)).toEqual(NOTHING);
    expect(config.ignored).toEqual([]);
  });

  it('counts canonical names only where DNS would be asked', () => {
    const text = 'CanonicalizeHostname yes\nCanonicalDomains example.com\n';
    expect(names(resolved(text)).needsOpenSsh).toEqual(['CanonicalizeHostname']);
    expect(names(resolved(text, { host: 'a.b.c' }))).toEqual(NOTHING);
    expect(names(resolved(text, { host: '10.0.0.1' }))).toEqual(NOTHING);
    expect(names(resolved(`${text}ProxyJump b\n`))).toEqual(NOTHING);
  });

  it('leaves out forwardings that are cleared', () => {
    expect(names(resolved('ClearAllForwardings yes\nLocalForward 80 a:1\nTunnel yes\n'))).toEqual(NOTHING);
  });

  it('takes another way to log in for meant in a file of the user, for a default in one of the system', () => {
    const scratch = new Scratch({ system: 'Host *\n  GSSAPIAuthentication yes\n' });
    const config = now(
      scratch.open({ files: [{ path: scratch.path('system'), from: 'system' }] }).resolve({ host: 'h' }),
    );
    expect(names(config)).toEqual(NOTHING);
    expect(config.ignored).toMatchObject([{ directive: 'GSSAPIAuthentication', line: 2 }]);
  });

  it('lists what is harmless to leave out', () => {
    const config = resolved('Compression yes\nVisualHostKey yes\nControlMaster auto\nUseRoaming no\nLocalCommand x\n');
    expect(config.ignored.map(({ directive }) => directive)).toEqual([
      'Compression',
      'VisualHostKey',
      'ControlMaster',
      'UseRoaming',
      'LocalCommand',
    ]);
    expect(names(config)).toEqual(NOTHING);
  });
});
