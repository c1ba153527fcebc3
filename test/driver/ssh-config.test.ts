import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import { type AlgorithmLists, printResolved } from '../../src/targets/ssh-config/print.js';
import type { ResolvedConfig } from '../../src/targets/ssh-config/resolved.js';
import { SshConfigFiles } from '../../src/targets/ssh-config/ssh-config.js';
import { systemClock } from '../../src/util/clock.js';
import { seeded, seedsOf } from '../support/seed.js';
import { type Generated, generateConfig, mutateConfig } from '../unit/targets/ssh-config/generate.js';

/** S4: what `ssh -G` says of random configurations, we say; where it refuses one, so do we. */
const CONFIGS = process.env.KEYLANE_LONG ? 10_000 : 300;
const BROKEN = CONFIGS / 2;
const AT_ONCE = 4;
/** Kept out of the environment, so that `$SSH_AUTH_SOCK` is as unset for both. */
const ENV = { PATH: process.env.PATH, HOME: process.env.HOME };

/** What the generator does not make; commands may run here. */
const BY_HAND = [
  ...[
    'Match exec "true"\n User a\n',
    'Match exec "test %h-%n-%p = h-h-22"\n User a\n',
    'Match !exec "exit 3" host h\n Port 7\n',
  ],
  ...[
    'Match exec "test %r = bob"\n Port 7\nUser bob\nMatch exec "test %r%% = bob%%"\n Port 8\n',
    'Match exec "test %q"\n',
  ],
  ...['HostName x\nMatch final exec "test %h = x"\n Port 7\n', 'Match exec "kill -9 $$"\n User a\n'],
  ...[
    'Include @DIR@/self.conf\n',
    'Host other\nInclude @DIR@/self.conf\n',
    'Host other\nInclude @DIR@/a.conf\nHostName x\n',
  ],
  ...[
    'Host h\nInclude @DIR@/a.conf\nHostName x\n',
    'Include @DIR@\nUser a\n',
    'Include @DIR@/ \nUser a\n',
    'Include /dev/null\nUser a\n',
  ],
  ...[
    'Match final\nSendEnv A\nIdentityFile x\nHost *\nSendEnv B -A\nSendEnv B\n',
    '\ufeffUser a\n',
    'User a\0b\nPort 7\n',
    'User é\n',
  ],
  ...[
    'ProxyJump h\n',
    'ProxyJump h:23\n',
    'ProxyJump x@h\n',
    'ProxyJump none\nProxyJump a\n',
    'ProxyJump none\nProxyCommand a\n',
  ],
  ...[
    'CanonicalizeHostname yes\nHost h\nMatch canonical\nPort 7\n',
    'HostName H.X\nCanonicalizeHostname always\nHost h.x\nPort 7\n',
  ],
  ...[
    'ForwardAgent no\nForwardAgent /\n',
    'Port\f22\n',
    'Port 22\f\n',
    'Port\t=\t22\n',
    'Port 22',
    '\r\n \r\nPort 22\r\n',
    'Port 22#x\n',
  ],
  ...[
    `${'IdentityFile a b\n'}`,
    `${Array.from({ length: 101 }, (_, at) => `IdentityFile ${at}\n`).join('')}`,
    'Host\n',
    'Host #x\n User a\n',
  ],
];

const isDebian = existsSync('/etc/debian_version');

let folder: string;
let defaults: Map<string, string[]>;
let lists: AlgorithmLists;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keylane-ssh-config-'));
  defaults = byKeyword((await ask(['-F', '/dev/null', 'h'])).stdout);
  const all = (kind: string) => execFileSync('ssh', ['-Q', kind], { encoding: 'utf8' }).trim().split('\n');
  const list = (keyword: string, kind: string) => ({ defaults: defaults.get(keyword)![0]!.split(','), all: all(kind) });
  lists = {
    ciphers: list('ciphers', 'cipher'),
    macs: list('macs', 'mac'),
    kexalgorithms: list('kexalgorithms', 'kex'),
    casignaturealgorithms: list('casignaturealgorithms', 'sig'),
    hostkeyalgorithms: list('hostkeyalgorithms', 'HostKeyAlgorithms'),
    hostbasedacceptedalgorithms: list('hostbasedacceptedalgorithms', 'HostKeyAlgorithms'),
    pubkeyacceptedalgorithms: list('pubkeyacceptedalgorithms', 'HostKeyAlgorithms'),
  };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('ssh_config beside the real ssh', () => {
  for (const seed of seedsOf('ssh-config')) {
    it(`says of ${CONFIGS} random configurations what ssh -G says, or that it cannot (SEED=${seed})`, {
      timeout: 900_000,
    }, async () => {
      const random = seeded(seed);
      const counts = await compareAll(CONFIGS, () => generateConfig(random));
      // The comparison must not be empty: most are read, some are refused, and hardly any is beyond us.
      expect(counts.equal).toBeGreaterThan(CONFIGS / 4);
      expect(counts.refused).toBeGreaterThan(0);
      expect(counts.unsupported).toBeLessThan(CONFIGS / 20);
    });

    it(`and of ${BROKEN} with characters put in and taken out (SEED=${seed})`, { timeout: 900_000 }, async () => {
      const random = seeded(seed);
      const counts = await compareAll(BROKEN, () => mutateConfig(random, generateConfig(random)));
      expect(counts.equal).toBeGreaterThan(0);
      expect(counts.refused).toBeGreaterThan(BROKEN / 10);
    });
  }

  it.each(BY_HAND)('says what ssh -G says of %j', async (main) => {
    const included = {
      'a.conf': 'Host h\n User inner\nMatch all\n Port 7\n',
      'self.conf': 'Include @DIR@/self.conf\n',
    };
    await compare(place({ main, included, host: 'h', user: undefined, port: undefined }, `${placed++}`), true);
  });

  it.each([0o600, 0o640, 0o644, 0o660, 0o662, 0o602, 0o666])(
    'takes or refuses an included file of mode %o as ssh does',
    async (mode) => {
      const given = place(
        {
          main: 'Include @DIR@/a.conf\n',
          included: { 'a.conf': 'User a\n' },
          host: 'h',
          user: undefined,
          port: undefined,
        },
        `${placed++}`,
      );
      chmodSync(join(dirname(given.path), 'a.conf'), mode);
      const theirs = await ask(['-F', given.path, 'h']);
      const ours = await resolve(given).then(
        () => 0,
        (error: KeylaneError) => (/bad owner or permissions/.test(error.message) ? 255 : -1),
      );
      // Only Debian's ssh lets a group write that has no other member.
      expect(ours).toBe(mode === 0o660 && !isDebian ? ours : theirs.status);
    },
  );

  it('takes the defaults of OpenSSH where no file says anything', async () => {
    const ours = byKeyword(printResolved(await resolve({ path: '/dev/null', host: 'h' }), lists));
    for (const [keyword, values] of ours)
      if (!BUILT.has(keyword)) expect({ [keyword]: values }).toEqual({ [keyword]: defaults.get(keyword) });
  });
});

/** Keywords whose default hangs on how ssh was built, or on its version. */
const BUILT = new Set(['forwardx11trusted', 'identityfile', 'requiredrsasize', 'ipqos']);
/** What has a value of its own although no line sets it. */
const DERIVED = new Set([
  'host',
  'hostname',
  'user',
  'port',
  'updatehostkeys',
  'tunnel',
  'proxyusefdpass',
  'dynamicforward',
  'localforward',
  'remoteforward',
]);

type Verdict = 'equal' | 'refused' | 'unsupported';

/** Makes so many configurations and compares them, a few at a time. */
async function compareAll(count: number, make: () => Generated): Promise<Record<Verdict, number>> {
  const counts = { equal: 0, refused: 0, unsupported: 0 };
  for (let done = 0; done < count; done += AT_ONCE) {
    const cases = Array.from({ length: Math.min(AT_ONCE, count - done) }, () => place(make(), `${placed++}`));
    for (const verdict of await Promise.all(cases.map((one) => compare(one)))) counts[verdict]++;
  }
  return counts;
}

let placed = 0;

interface Case extends Generated {
  path: string;
}

/** Writes a case's files. */
function place(config: Generated, name: string): Case {
  const home = join(folder, name);
  const text = (body: string) => body.replaceAll('@DIR@', home);
  for (const [file, body] of Object.entries({ ...config.included, config: config.main })) {
    mkdirSync(dirname(join(home, file)), { recursive: true, mode: 0o700 });
    writeFileSync(join(home, file), text(body), { mode: 0o600 });
  }
  return { ...config, path: join(home, 'config') };
}

async function compare(given: Case, allowExec = false): Promise<Verdict> {
  const user = given.user === undefined ? [] : ['-l', given.user];
  const port = given.port === undefined ? [] : ['-p', String(given.port)];
  const theirs = await ask(['-F', given.path, ...user, ...port, '--', given.host]);
  const shown = `${describeCase(given)}\nssh: ${theirs.status} ${theirs.stderr}`;
  let config: ResolvedConfig;
  try {
    config = await resolve(given, allowExec);
  } catch (error) {
    if (!(error instanceof KeylaneError)) throw error;
    if (error.code === 'ERR_CONFIG_UNSUPPORTED') return 'unsupported';
    expect(error.code).toBe('ERR_CONFIG');
    // We take less of a host to jump through, which ssh puts into a shell command, as newer versions do; and no negated
    // algorithms and no empty list, of which ssh only says that they are wrong.
    if (theirs.status === 0 && / ProxyJump: | is called "["!]/.test(error.message)) return 'unsupported';
    if (theirs.status === 0) throw new Error(`we refuse, ssh does not: ${error.message}\n${shown}`);
    return 'refused';
  }
  if (theirs.status !== 0) throw new Error(`ssh refuses, we do not\n${shown}`);
  const expected = usual(byKeyword(theirs.stdout));
  const ours = byKeyword(printResolved(config, lists));
  for (const keyword of new Set([...expected.keys(), ...ours.keys()])) {
    const isSet = config.where(keyword) !== undefined || DERIVED.has(keyword);
    if (!isSet && expected.get('batchmode')?.[0] === 'yes' && keyword === 'serveraliveinterval') continue; // Debian: 300
    // What no line sets is ssh's own default, whatever that is here.
    const is = isSet ? ours.get(keyword) : defaults.get(keyword);
    expect({ [keyword]: is }, shown).toEqual({ [keyword]: expected.get(keyword) });
  }
  return 'equal';
}

type Asked = Pick<Case, 'path' | 'host'> & Partial<Case>;

async function resolve({ path, host, user, port }: Asked, allowExec = false): Promise<ResolvedConfig> {
  const files = new SshConfigFiles({ files: [{ path, from: 'flag' }], clock: systemClock, allowExec });
  return files.resolve({ host, user, port });
}

function ask(argv: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const child = execFile('ssh', ['-G', ...argv], { env: ENV, encoding: 'utf8' }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      done({ status, stdout, stderr });
    });
    child.stdin?.end();
  });
}

/** Without two oddities of printing: Debian's name for QUIET, and a forwarding to a socket, which is shown as dynamic too. */
function usual(printed: Map<string, string[]>): Map<string, string[]> {
  if (printed.get('loglevel')?.[0] === 'SILENT') printed.set('loglevel', ['QUIET']);
  const toSockets = (printed.get('localforward') ?? [])
    .filter((text) => / [^[]/.test(text))
    .map((text) => text.split(' ')[0]!);
  const dynamic = (printed.get('dynamicforward') ?? []).filter((text) => !toSockets.includes(text));
  if (dynamic.length > 0) printed.set('dynamicforward', dynamic);
  else printed.delete('dynamicforward');
  return printed;
}

/** What was printed, by keyword; the lines of one keyword in order. */
function byKeyword(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.trimEnd().split('\n')) {
    const at = line.indexOf(' ');
    const keyword = line.slice(0, at).toLowerCase();
    found.set(keyword, [...(found.get(keyword) ?? []), line.slice(at + 1)]);
  }
  return found;
}

function describeCase({ path, main, included, host, user, port }: Case): string {
  return [
    `host ${host} user ${user} port ${port}, ${path}:`,
    main,
    ...Object.entries(included).map(([file, text]) => `--- ${file}:\n${text}`),
  ].join('\n');
}
