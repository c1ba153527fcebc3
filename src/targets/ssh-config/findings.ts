import { isLoopbackHost } from '../../util/networks.js';
import { applyAlgorithms } from './algorithms.js';
import type { Evaluated } from './evaluate.js';
import type { Directive, Found } from './types.js';

export interface Findings {
  readonly needsOpenSsh: readonly Found[];
  readonly unsupported: readonly Found[];
  readonly ignored: readonly Found[];
}

type Kind = keyof Findings;
type Rule = readonly [kind: Kind, why: string];

const unless =
  (values: readonly string[], kind: Kind, why: string) =>
  (directive: Directive): Rule | undefined =>
    values.includes(directive.values[0]!.toLowerCase()) ? undefined : [kind, why];
const always = (kind: Kind, why: string) => (): Rule => [kind, why];

/**
 * One more way to log in. Distributions switch it on for every host in /etc/ssh, where it says nothing of this host;
 * who writes it into a file of their own means it.
 */
const method =
  (why: string) =>
  (directive: Directive): Rule | undefined => {
    if (directive.values[0] === 'no') return undefined;
    return directive.ofUser
      ? ['needsOpenSsh', why]
      : ['ignored', `${why}; a default of this system, so other methods are tried`];
  };

const FORWARDING = 'nothing is forwarded';
const MULTIPLEXING = 'keylane keeps connections open by itself';
const TERMINAL = 'there is no terminal';
const LOOKS = 'it changes only what ssh prints';
const RSA_SIGNATURES = ['rsa-sha2-256', 'rsa-sha2-512'];
const OLD = 'ssh no longer knows it';

/** Keywords that are not here act in keylane as they do in ssh. */
const RULES: Readonly<Record<string, (directive: Directive, evaluated: Evaluated) => Rule | undefined>> = {
  // Of keylane itself nobody is asked for a password; of a host key nobody is, and this acts.
  batchmode: unless(['no'], 'ignored', 'a password is given with the request, and nobody is asked for one'),
  addkeystoagent: unless(['false'], 'ignored', 'keys are not added to an agent'),
  bindinterface: always('needsOpenSsh', 'a connection cannot be bound to an interface; BindAddress can be used'),
  canonicalizepermittedcnames: (_directive, { wantsDns }) =>
    wantsDns ? ['needsOpenSsh', 'CNAMEs are not followed'] : undefined,
  canonicalizehostname: (directive, { wantsDns }) =>
    directive.values[0] !== 'false' && wantsDns
      ? ['needsOpenSsh', 'names are not looked up under other domains']
      : undefined,
  casignaturealgorithms: always('ignored', 'it is about certificates'),
  certificatefile: unless(['none'], 'needsOpenSsh', 'certificates cannot be used'),
  channeltimeout: unless(['none'], 'needsOpenSsh', 'channels do not time out'),
  checkhostip: unless(['no'], 'needsOpenSsh', 'keys are not looked up by address'),
  compression: unless(['no'], 'ignored', 'nothing is compressed'),
  controlmaster: unless(['false'], 'ignored', MULTIPLEXING),
  controlpath: unless(['none'], 'ignored', MULTIPLEXING),
  controlpersist: unless(['no'], 'ignored', MULTIPLEXING),
  dynamicforward: always('unsupported', FORWARDING),
  enableescapecommandline: always('ignored', TERMINAL),
  enablesshkeysign: always('ignored', 'it is about host-based logins'),
  escapechar: always('ignored', TERMINAL),
  exitonforwardfailure: always('ignored', FORWARDING),
  fingerprinthash: always('ignored', LOOKS),
  forkafterauthentication: unless(['no'], 'unsupported', 'a request does not go to the background; use detach'),
  forwardx11: unless(['no'], 'unsupported', FORWARDING),
  forwardx11timeout: always('ignored', 'X11 is not forwarded'),
  forwardx11trusted: always('ignored', 'X11 is not forwarded'),
  gatewayports: always('ignored', FORWARDING),
  gssapiauthentication: method('GSSAPI cannot be used'),
  gssapikeyexchange: method('GSSAPI cannot be used'),
  gssapidelegatecredentials: always('ignored', 'GSSAPI is not used'),
  gssapiclientidentity: always('ignored', 'GSSAPI is not used'),
  gssapiserveridentity: always('ignored', 'GSSAPI is not used'),
  gssapikexalgorithms: always('ignored', 'GSSAPI is not used'),
  gssapirenewalforcesrekey: always('ignored', 'GSSAPI is not used'),
  gssapitrustdns: always('ignored', 'GSSAPI is not used'),
  hostbasedacceptedalgorithms: always('ignored', 'it is about host-based logins'),
  hostbasedauthentication: method('host-based logins cannot be made'),
  ipqos: always('ignored', 'packets are not marked'),
  kbdinteractivedevices: always('ignored', 'the server chooses the device'),
  knownhostscommand: unless(['none'], 'needsOpenSsh', 'host keys are not asked of a command'),
  localcommand: (directive, { settings }) => {
    if (directive.values[0]!.toLowerCase() === 'none') return undefined;
    return settings.text('permitlocalcommand') === 'yes'
      ? ['unsupported', 'no local command is run']
      : ['ignored', 'PermitLocalCommand is off'];
  },
  localforward: always('unsupported', FORWARDING),
  loglevel: always('ignored', LOOKS),
  logverbose: always('ignored', LOOKS),
  nohostauthenticationforlocalhost: (directive, { host }) => {
    if (directive.values[0] === 'no') return undefined;
    if (!isLoopbackHost(host)) return ['ignored', 'the host is not this machine'];
    return ['needsOpenSsh', 'the host key is checked here too'];
  },
  numberofpasswordprompts: unless(['0'], 'ignored', 'a password is tried once'),
  pubkeyacceptedalgorithms: ({ values: [list = ''] }) => {
    const has = (name: string) => applyAlgorithms(list, RSA_SIGNATURES, RSA_SIGNATURES).includes(name);
    const [one, other] = RSA_SIGNATURES.map(has);
    return one === other ? undefined : ['needsOpenSsh', 'it cannot be told which of the two RSA signatures to use'];
  },
  pubkeyauthentication: unless(['true', 'false'], 'ignored', 'keys are not bound to a host'),
  requesttty: unless(
    ['force', 'false', 'auto'],
    'ignored',
    'it asks for the terminal that ssh is started in; use force',
  ),
  obscurekeystroketiming: always('ignored', TERMINAL),
  permitremoteopen: always('ignored', FORWARDING),
  pkcs11provider: unless(['none'], 'needsOpenSsh', 'keys on smartcards cannot be used'),
  proxycommand: unless(['none'], 'needsOpenSsh', 'no proxy command is run'),
  proxyusefdpass: (directive, { settings }) =>
    directive.values[0] === 'yes' && settings.one('proxycommand') !== undefined
      ? ['needsOpenSsh', 'no descriptor is passed']
      : undefined,
  rekeylimit: always('ignored', "keys are renewed when the server's limit says so"),
  remotecommand: unless(['none'], 'unsupported', 'ssh cannot run it beside the command of a request; set it to none'),
  remoteforward: always('unsupported', FORWARDING),
  revokedhostkeys: unless(
    ['none'],
    'needsOpenSsh',
    'the list of revoked keys is not read; mark them @revoked in known_hosts',
  ),
  securitykeyprovider: unless(['none', 'internal'], 'needsOpenSsh', 'keys on tokens cannot be used'),
  sessiontype: unless(['default'], 'unsupported', 'a request is always a command'),
  stdinnull: unless(['no'], 'unsupported', "a request's input is always passed on"),
  streamlocalbindmask: always('ignored', FORWARDING),
  streamlocalbindunlink: always('ignored', FORWARDING),
  syslogfacility: always('ignored', LOOKS),
  tcpkeepalive: unless(['yes'], 'ignored', 'the kernel asks after a connection that is silent'),
  tunnel: unless(['false'], 'unsupported', 'no tunnel is made'),
  tunneldevice: always('ignored', 'it is about tunnels'),
  updatehostkeys: unless(['false'], 'ignored', 'known_hosts gets no further keys of a host'),
  usekeychain: always('ignored', 'passphrases are not kept'),
  verifyhostkeydns: unless(['false'], 'needsOpenSsh', 'keys are not looked up in DNS'),
  versionaddendum: always('ignored', 'our version line stays as it is'),
  visualhostkey: always('ignored', LOOKS),
  warnweakcrypto: always('ignored', LOOKS),
  xauthlocation: always('ignored', 'X11 is not forwarded'),
  ...Object.fromEntries(
    [
      ...[
        'protocol',
        'cipher',
        'fallbacktorsh',
        'globalknownhostsfile2',
        'rhostsauthentication',
        'userknownhostsfile2',
      ],
      ...[
        'useroaming',
        'usersh',
        'useprivilegedport',
        'afstokenpassing',
        'kerberosauthentication',
        'kerberostgtpassing',
      ],
      ...['rsaauthentication', 'rhostsrsaauthentication', 'compressionlevel'],
    ].map((keyword) => [keyword, always('ignored', OLD)]),
  ),
};

const FORWARDS = ['localforward', 'remoteforward', 'dynamicforward', 'tunnel'];

/** What in the files goes beyond our own transport. Defaults never do. */
export function findingsOf(evaluated: Evaluated): Findings {
  const found: Record<Kind, Found[]> = { needsOpenSsh: [], unsupported: [], ignored: [] };
  const isCleared = evaluated.settings.text('clearallforwardings') === 'yes';
  for (const directive of evaluated.settings.all()) {
    const { keyword, name, values, place } = directive;
    if (isCleared && FORWARDS.includes(keyword)) continue;
    const rule = RULES[keyword]?.(directive, evaluated);
    if (rule !== undefined) found[rule[0]].push({ directive: name, value: values.join(' '), ...place, why: rule[1] });
  }
  return found;
}
