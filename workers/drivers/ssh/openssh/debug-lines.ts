import type { HostKeys, SshProbe } from '../../../../src/ssh-types.js';
import { printable } from '../../../../src/util/printable.js';
import type { KexFacts } from '../kex-facts.js';

/** Up to here nothing is the server's own text, but for its version; a banner may say whatever it likes. */
const END_OF_KEX = 'debug1: SSH2_MSG_NEWKEYS received';

/** What the key exchange has settled, by the lines that `ssh` writes with LogLevel DEBUG1. */
export function kexFactsOf(said: string): KexFacts {
  const lines = upToKex(said);
  const find = (pattern: RegExp) => printable(pattern.exec(lines)?.[1] ?? '');
  const kex = find(/^debug1: kex: algorithm: (\S+)/m);
  const cipher = (way: string) => find(new RegExp(`^debug1: kex: ${way} cipher: (\\S+)`, 'm'));
  const mac = (way: string) => find(new RegExp(`^debug1: kex: ${way} cipher: \\S+ MAC: <?([^\\s>]+)`, 'm'));
  return {
    software: find(/^debug1: Remote protocol version [^,]*, remote software version (.*)$/m),
    kex,
    hostKey: find(/^debug1: kex: host key algorithm: (\S+)/m),
    cipher: bothWays(cipher),
    mac: bothWays(mac),
    // `ssh` tells no more of it than that it starts counting packets anew.
    strict: /^debug1: .*resetting (send|read) seqnr/m.test(lines),
    postQuantum: /^(sntrup|mlkem)/.test(kex),
  };
}

/** The host key, and what was tried at the log-in, by the same lines. */
export function logInOf(said: string, hostKeys: HostKeys): Pick<SshProbe, 'hostKey' | 'tries'> {
  const lines = upToKex(said);
  const [, type = '', fingerprint = ''] = SHOWN.exec(lines) ?? [];
  const known = /^debug1: Host .* is known and matches the /m.test(lines);
  const decision = known ? 'known' : hostKeys === 'insecure' ? 'unchecked' : 'new';
  return { hostKey: { type: printable(type), fingerprint, decision }, tries: triesOf(said.slice(lines.length)) };
}

const SHOWN = /^debug1: Server host (?:key|certificate): (\S+) (SHA256:[\w+/]+)/m;
const OFFERED = /^debug1: Offering public key: (.*) \S+ SHA256:\S+((?: explicit| agent| token)*)$/;

function triesOf(said: string): SshProbe['tries'] {
  const tries: SshProbe['tries'] = [];
  // Of the last try, until something is said of it.
  let result: SshProbe['tries'][number]['result'] | undefined = 'refused';
  const settle = (how: 'accepted' | 'partial' | 'refused') => {
    const last = tries.at(-1);
    if (last && result === undefined) last.result = how;
    result = how;
  };
  const add = (says: string) => {
    tries.push({ says: printable(says), result: 'refused' });
    result = undefined;
  };
  for (const line of said.split('\n').map((text) => text.trimEnd())) {
    const [offered, name = '', marks = ''] = OFFERED.exec(line) ?? [];
    const [, unread] = /^debug1: Trying private key: (.*)$/.exec(line) ?? [];
    const [, method = ''] = /^debug1: Next authentication method: (\S+)$/.exec(line) ?? [];
    if (offered !== undefined) add(keyOf(name, marks));
    else if (unread !== undefined) add(`identity ${unread}`);
    else if (method !== '' && method !== 'publickey') add(method);
    else if (/^Authenticated (using "[^"]*" )?with partial success\.$/.test(line)) settle('partial');
    else if (line.startsWith('debug1: Authentications that can continue: ')) settle('refused');
    else if (line.startsWith('Authenticated to ')) {
      if (tries.length === 0) add('none');
      settle('accepted');
      break;
    }
  }
  return tries;
}

function keyOf(name: string, marks: string): string {
  if (!marks.includes('agent')) return `identity ${name}`;
  return marks.includes('explicit') ? `identity ${name} (in the agent)` : `agent key ${name}`;
}

function upToKex(said: string): string {
  const end = said.indexOf(END_OF_KEX);
  return end < 0 ? said : said.slice(0, end);
}

function bothWays(of: (way: string) => string): string {
  const [up, down] = [of('client->server'), of('server->client')];
  return up === down ? up : `${up} up, ${down} down`;
}
