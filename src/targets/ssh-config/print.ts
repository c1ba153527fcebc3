import { applyAlgorithms } from './algorithms.js';
import type { ResolvedConfig } from './resolved.js';

/** In the order of `ssh -G`. */
const ONE_EACH = `user hostname port addressfamily batchmode canonicalizefallbacklocal canonicalizehostname checkhostip
  compression controlmaster enablesshkeysign clearallforwardings exitonforwardfailure fingerprinthash forwardx11
  forwardx11trusted gatewayports gssapiauthentication gssapikeyexchange gssapidelegatecredentials gssapitrustdns
  gssapirenewalforcesrekey gssapiclientidentity gssapiserveridentity gssapikexalgorithms hashknownhosts
  hostbasedauthentication identitiesonly kbdinteractiveauthentication nohostauthenticationforlocalhost
  passwordauthentication permitlocalcommand proxyusefdpass pubkeyauthentication requesttty sessiontype stdinnull
  forkafterauthentication streamlocalbindunlink stricthostkeychecking tcpkeepalive tunnel verifyhostkeydns visualhostkey
  updatehostkeys enableescapecommandline canonicalizemaxdots connectionattempts forwardx11timeout
  numberofpasswordprompts serveralivecountmax serveraliveinterval requiredrsasize bindaddress bindinterface ciphers
  controlpath hostkeyalgorithms hostkeyalias hostbasedacceptedalgorithms identityagent ignoreunknown
  kbdinteractivedevices kexalgorithms casignaturealgorithms localcommand remotecommand loglevel macs pkcs11provider
  securitykeyprovider preferredauthentications pubkeyacceptedalgorithms revokedhostkeys tag xauthlocation
  knownhostscommand`.split(/\s+/);
const ONE_LINE_EACH = ['dynamicforward', 'localforward', 'remoteforward', 'identityfile'];
const AFTER = ['addkeystoagent', 'forwardagent', 'connecttimeout', 'tunneldevice'];
const LAST = [
  'controlpersist',
  'escapechar',
  'ipqos',
  'rekeylimit',
  'streamlocalbindmask',
  'syslogfacility',
  'proxycommand',
  'proxyjump',
];

/** What a transport can do, for lists that are written as a change of it. */
export interface AlgorithmLists {
  readonly [keyword: string]: { readonly defaults: readonly string[]; readonly all: readonly string[] };
}

/**
 * The options of a destination, one to a line, as `ssh -G` prints them; except what OpenSSH chooses by how it was built.
 * Algorithm lists are printed in full for the keywords of `algorithms`, else as they are written.
 */
export function printResolved(config: ResolvedConfig, algorithms: AlgorithmLists = {}): string {
  const lines = [`host ${config.query.host}`];
  const each = (keywords: readonly string[]) => {
    for (const keyword of keywords) for (const value of config.values(keyword)) lines.push(`${keyword} ${value}`);
  };
  const joined = (keyword: string, none = ' none', name = keyword) => {
    const values = config.values(keyword);
    lines.push(`${name}${values.length === 0 ? none : ` ${values.join(' ')}`}`);
  };
  for (const keyword of ONE_EACH) {
    const lists = algorithms[keyword];
    if (lists === undefined) each([keyword]);
    else lines.push(`${keyword} ${inFull(config.value(keyword), lists)}`);
  }
  each(ONE_LINE_EACH);
  joined('canonicaldomains');
  each(['certificatefile']);
  joined('globalknownhostsfile');
  joined('userknownhostsfile');
  each(['sendenv', 'setenv']);
  joined('logverbose');
  joined('permitremoteopen');
  each(AFTER);
  joined('canonicalizepermittedcnames', ' none', 'canonicalizePermittedcnames');
  for (const keyword of LAST) if (config.values(keyword).length > 0) joined(keyword);
  return `${lines.join('\n')}\n`;
}

function inFull(list: string | undefined, { defaults, all }: AlgorithmLists[string]): string {
  return (list === undefined ? defaults : applyAlgorithms(list, defaults, all)).join(',');
}
