import type { Evaluated } from './evaluate.js';
import { showJumps } from './jumps.js';
import type { Settings } from './settings.js';
import { expandPath, expandTokens, type Here } from './tokens.js';

/** OpenSSH's own, where they do not depend on how it was built. Algorithm lists are the transport's. */
const DEFAULTS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  `port 22 · addressfamily any · batchmode no · canonicalizefallbacklocal yes · canonicalizehostname false · checkhostip no
  compression no · controlmaster false · enablesshkeysign no · clearallforwardings no · exitonforwardfailure no
  fingerprinthash SHA256 · forwardx11 no · forwardx11trusted no · gatewayports no · gssapiauthentication no
  gssapidelegatecredentials no · hashknownhosts no · hostbasedauthentication no · identitiesonly no
  kbdinteractiveauthentication yes · nohostauthenticationforlocalhost no · passwordauthentication yes
  permitlocalcommand no · proxyusefdpass no · pubkeyauthentication true · requesttty auto · sessiontype default
  stdinnull no · forkafterauthentication no · streamlocalbindunlink no · stricthostkeychecking ask · tcpkeepalive yes
  tunnel false · verifyhostkeydns false · visualhostkey no · enableescapecommandline no
  canonicalizemaxdots 1 · connectionattempts 1 · forwardx11timeout 1200 · numberofpasswordprompts 3
  serveralivecountmax 3 · serveraliveinterval 0 · requiredrsasize 1024 · loglevel INFO · canonicaldomains none
  logverbose none · permitremoteopen any · addkeystoagent false · forwardagent no · connecttimeout none
  globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2
  userknownhostsfile ~/.ssh/known_hosts ~/.ssh/known_hosts2
  tunneldevice any:any · canonicalizepermittedcnames none · controlpersist no · escapechar ~
  rekeylimit 0 0 · streamlocalbindmask 0177 · syslogfacility USER`
    .split(/ · |\n/)
    .map((entry) => entry.trim().split(' '))
    .map(([keyword, ...values]) => [keyword, values]),
);

/** The keys that ssh looks for by itself. */
const USUAL_KEYS = ['rsa', 'ecdsa', 'ecdsa_sk', 'ed25519', 'ed25519_sk'].map((kind) => `~/.ssh/id_${kind}`);

/** `none` takes these away. */
const CLEARED = [
  'localcommand',
  'remotecommand',
  'proxycommand',
  'controlpath',
  'revokedhostkeys',
  'pkcs11provider',
  'securitykeyprovider',
  'knownhostscommand',
];
const ADDING = ['identityfile', 'certificatefile', 'sendenv', 'localforward', 'remoteforward', 'dynamicforward'];

/** No file and no caller gives the keyword a value. */
export function isDefault(settings: Settings, keyword: string): boolean {
  return settings.one(keyword) === undefined && settings.many(keyword).length === 0;
}

/** The values of a keyword as `ssh -G` has them. */
export function valuesOf(
  keyword: string,
  { settings, host }: Evaluated,
  here: Here,
  tokens: (token: string) => string | undefined,
): readonly string[] {
  const set = settings.one(keyword)?.values;
  if (ADDING.includes(keyword)) return adding(keyword, settings, tokens);
  if (CLEARED.includes(keyword) && set?.length === 1 && set[0]!.toLowerCase() === 'none') return [];
  switch (keyword) {
    case 'hostname':
      return [host];
    case 'user':
      return set ?? [here.user];
    case 'hostkeyalias':
      return set?.map((name) => name.toLowerCase()) ?? [];
    case 'controlpath':
    case 'identityagent':
      return set?.map((path) => expandPath(path, here, tokens)) ?? [];
    case 'userknownhostsfile':
      return (isNone(set) ? [] : (set ?? DEFAULTS.userknownhostsfile!)).map((path) => expandPath(path, here, tokens));
    case 'globalknownhostsfile':
      return isNone(set) ? [] : (set ?? DEFAULTS.globalknownhostsfile!);
    case 'remotecommand':
      return set?.map((command) => expandTokens(command, tokens)) ?? [];
    case 'proxyjump':
      return set === undefined || showJumps(set[0]!) === 'none' ? [] : [showJumps(set[0]!)];
    case 'forwardagent': {
      const path = settings.text('forwardagent path');
      return path === undefined ? (set ?? ['no']) : [expandPath(path, here, tokens)];
    }
    case 'rekeylimit':
      return [set?.[0] ?? '0', settings.text('rekeylimit time') ?? '0'];
    case 'updatehostkeys':
      return [updateHostKeys(settings)];
    case 'tunnel':
      return settings.text('clearallforwardings') === 'yes' ? ['false'] : (set ?? ['false']);
    case 'proxyusefdpass':
      return hasJump(settings) ? ['no'] : (set ?? ['no']);
    default:
      return set ?? DEFAULTS[keyword] ?? [];
  }
}

function adding(keyword: string, settings: Settings, tokens: (token: string) => string | undefined): readonly string[] {
  const values = settings.many(keyword).map((directive) => directive.values[0]!);
  if (keyword === 'identityfile') return values.length === 0 ? USUAL_KEYS : values;
  if (!keyword.endsWith('forward')) return values;
  if (settings.text('clearallforwardings') === 'yes') return [];
  // Tokens count in the paths of sockets only.
  const ends = (text: string) =>
    text.split(' ').map((end) => (end.includes('/') && !end.startsWith('[') ? expandTokens(end, tokens) : end));
  return values.map((text) => ends(text).join(' '));
}

function hasJump(settings: Settings): boolean {
  const jump = settings.text('proxyjump');
  return jump !== undefined && showJumps(jump) !== 'none';
}

function isNone(values: readonly string[] | undefined): boolean {
  return values?.length === 1 && values[0]!.toLowerCase() === 'none';
}

/** Yes by default only where new keys would go to the usual file. `ask` is for people at a terminal. */
function updateHostKeys(settings: Settings): string {
  const value = settings.text('updatehostkeys');
  const known = settings.one('userknownhostsfile')?.values;
  const isUsual = known === undefined || (known.length === 1 && known[0] === '~/.ssh/known_hosts');
  if (value === undefined)
    return isUsual && (settings.text('verifyhostkeydns') ?? 'false') === 'false' ? 'true' : 'false';
  if (value !== 'ask') return value;
  const has = (keyword: string) => (settings.text(keyword) ?? 'none').toLowerCase() !== 'none';
  const isMaster = (settings.text('controlpersist') ?? 'no') !== 'no' && has('controlpath');
  const isQuiet = ['QUIET', 'FATAL', 'ERROR'].includes(settings.text('loglevel') ?? 'INFO');
  return isMaster || has('remotecommand') || settings.text('requesttty') === 'false' || isQuiet ? 'false' : 'ask';
}
