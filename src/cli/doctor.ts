import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import {
  type Clock,
  createEngine,
  describeSshConfig,
  type Engine,
  type EngineOptions,
  KeylaneError,
  parseHost,
  type Result,
  type SshConfigDescription,
  type SshProbe,
  type SshRequest,
  type SshResponse,
  systemClock,
} from '../index.js';
import { configured } from './configured.js';
import type { DoctorFlags } from './doctor-flags.js';
import { readHosts } from './fleet.js';
import { type Io, UsageError } from './io.js';
import { startEngine } from './start-engine.js';
import { visible } from './visible.js';

export interface DoctorDeps {
  createEngine(options: EngineOptions): Promise<Engine>;
  clock: Clock;
}

/** One step of the examination. */
interface Finding {
  step: string;
  ok: boolean;
  says: string;
  ms?: number;
}

const TCP_MS = 10_000;
/** What differs from host to host, for a person; the rest is in `--resolve`. */
const SHOWN = [
  'hostname',
  'user',
  'port',
  'identityfile',
  'proxyjump',
  'proxycommand',
  'userknownhostsfile',
  'stricthostkeychecking',
];

/** `keylane doctor`: one host, step by step. Resolves with the exit status. */
export async function doctor(
  typed: string,
  flags: DoctorFlags,
  io: Io,
  deps: DoctorDeps = { createEngine, clock: systemClock },
): Promise<number> {
  checkHost(typed);
  const conf = await configured(flags, io);
  const { options } = conf;
  const { request: address } = (await readHosts(conf, flags, io)).of(typed);
  const { config, allowExec, user, port, jump } = options.ssh ?? {};
  const said = { config: config ?? true, allowExec: allowExec ?? false };
  const who = { user: address.user ?? user, port: address.port ?? port };
  const described = await describeSshConfig(address.host, {
    ...said,
    ...(who.user !== undefined && { user: who.user }),
    ...(who.port !== undefined && { port: who.port }),
  }).catch((error: unknown) => {
    if (error instanceof KeylaneError) throw new UsageError(error.message);
    throw error;
  });
  if (flags.resolve) {
    io.stdout.write(flags.json ? `${JSON.stringify(described.values)}\n` : described.text);
    return 0;
  }
  const findings: Finding[] = [];
  const hostName = described.values.hostname?.value ?? address.host;
  const portNumber = Number(described.values.port?.value ?? 22);
  const direct = (address.jump ?? jump) === undefined && !described.values.proxyjump && !described.values.proxycommand;
  if (direct) findings.push(...(await reach(hostName, portNumber, deps.clock)));
  const engine = await startEngine(deps.createEngine, { ...options, shards: 1 });
  let result: Result<SshRequest, SshResponse> | undefined;
  try {
    const request: SshRequest = { ...address, op: 'probe' };
    for await (const settled of engine.batch('ssh', [request], { attempts: 1 })) result = settled;
  } finally {
    await engine.close();
  }
  findings.push(...examined(result as Result<SshRequest, SshResponse>));
  const mend = adviceOf(findings, described);
  if (flags.json) {
    const { values, unsupported, needsOpenSsh, ignored } = described;
    const probe = result?.response?.probe ?? null;
    const all = { host: typed, config: { values, unsupported, needsOpenSsh, ignored }, findings, probe, mend };
    io.stdout.write(`${JSON.stringify(all)}\n`);
  } else {
    io.stdout.write(text(described, findings, mend));
  }
  return findings.every(({ ok }) => ok) ? 0 : 1;
}

function checkHost(typed: string): void {
  try {
    parseHost(typed);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Name and port, without SSH. */
async function reach(host: string, port: number, clock: Clock): Promise<Finding[]> {
  let since = clock.now();
  const took = () => Math.round(clock.now() - since);
  const addresses = await lookup(host, { all: true }).catch((error: Error) => error);
  if (addresses instanceof Error) return [{ step: 'dns', ok: false, says: addresses.message, ms: took() }];
  const list = addresses.map(({ address }) => address).join(', ');
  const dns: Finding = { step: 'dns', ok: true, says: `${host} is ${list}`, ms: took() };
  since = clock.now();
  const failure = await tcp(addresses[0]?.address ?? host, port, clock);
  const says = failure ?? `port ${port} answers`;
  return [dns, { step: 'tcp', ok: failure === undefined, says, ms: took() }];
}

/** Undefined if it connects. */
function tcp(address: string, port: number, clock: Clock): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const timer = clock.timer(TCP_MS, () => end(`no answer from ${address} port ${port} within ${TCP_MS / 1000} s`));
    const end = (failure: string | undefined) => {
      timer.cancel();
      socket.destroy();
      resolve(failure);
    };
    socket.once('connect', () => end(undefined));
    socket.once('error', (error) => end(error.message));
  });
}

/** The steps that a connection of the engine has taken, or the one at which it failed. */
function examined({ error, response, timing }: Result<SshRequest, SshResponse>): Finding[] {
  const probe = response?.probe;
  if (!probe) {
    const step = error ? (STEP_OF[error.code] ?? 'connection') : 'connection';
    return [{ step, ok: false, says: error ? `${error.code}: ${error.message}` : 'no answer' }];
  }
  return [
    { step: 'key exchange', ok: true, says: keyExchange(probe) },
    hostKey(probe),
    { step: 'log-in', ok: true, says: probe.tries.map(({ says, result }) => `${says}: ${result}`).join('; ') },
    { step: 'connect', ok: true, says: 'a connection, log-in included', ms: Math.round(timing.openMs) },
    { step: 'sessions', ok: probe.sessions > 0, says: sessionsOf(probe.sessions) },
    { step: 'exec', ok: true, says: 'a command on the open connection', ms: Math.round(probe.execMs * 10) / 10 },
  ];
}

const STEP_OF: Readonly<Record<string, string>> = {
  ERR_DNS: 'dns',
  ERR_CONNECT: 'connect',
  ERR_HOST_KEY: 'host key',
  ERR_AUTH: 'log-in',
  ERR_PASSPHRASE: 'passphrase',
  ERR_INPUT: 'request',
  ERR_CONFIG: 'configuration',
  ERR_CONFIG_UNSUPPORTED: 'configuration',
};

function keyExchange({ software, kex, cipher, mac, strict, postQuantum }: SshProbe): string {
  const quantum = postQuantum ? 'post-quantum' : 'not post-quantum';
  return `${software}: ${kex} (${quantum}), ${cipher}, mac ${mac}, ${strict ? 'strict' : 'not strict'}`;
}

function hostKey({ hostKey: { type, fingerprint, decision } }: SshProbe): Finding {
  const why = { known: 'is known', new: 'was new and is known now', unchecked: 'was not checked' }[decision];
  return { step: 'host key', ok: decision !== 'unchecked', says: `${type} ${fingerprint} ${why}` };
}

function sessionsOf(sessions: number): string {
  return sessions > 10 ? 'more than 10 on one connection' : `${sessions} on one connection (sshd's MaxSessions)`;
}

/** One sentence on what to mend. */
function adviceOf(findings: readonly Finding[], { needsOpenSsh, unsupported }: SshConfigDescription): string {
  const bad = findings.find(({ ok }) => !ok);
  const [cannot] = unsupported;
  if (cannot) return `Take ${cannot.directive} out of ${cannot.file}:${cannot.line} for this host: ${cannot.why}.`;
  if (bad) return ADVICE[bad.step] ?? `Mend this first: ${bad.says}.`;
  const [other] = needsOpenSsh;
  if (other)
    return `Nothing to mend; ${other.directive} (${other.file}:${other.line}) is why the system's ssh is used.`;
  return 'Nothing to mend.';
}

const ADVICE: Readonly<Record<string, string>> = {
  dns: 'Mend the name: check its spelling, or give HostName in ssh_config.',
  tcp: 'See that sshd runs on the host, listens on this port, and no firewall is in between.',
  'host key': 'Check the fingerprint with whoever runs the host, then write the key into known_hosts.',
  'log-in': 'See that the user is right and that one of the keys tried is in its authorized_keys.',
};

function text(
  { values, unsupported, needsOpenSsh, ignored }: SshConfigDescription,
  findings: readonly Finding[],
  mend: string,
): string {
  const lines = ['configuration'];
  for (const name of SHOWN) {
    const found = values[name];
    if (!found) continue;
    const place = found.file === undefined ? 'default' : `${found.file}:${found.line}`;
    lines.push(`  ${name} ${found.value}  (${place})`);
  }
  for (const [what, list] of Object.entries({ refused: unsupported, "by the system's ssh": needsOpenSsh, ignored })) {
    for (const { directive, value, file, line, why } of list)
      lines.push(`  ${what}: ${directive} ${value}: ${why}  (${file}:${line})`);
  }
  for (const { step, ok, says, ms } of findings) {
    lines.push(`${ok ? 'ok  ' : 'FAIL'} ${step}: ${says}${ms === undefined ? '' : `  (${ms} ms)`}`);
  }
  return `${lines.map(visible).join('\n')}\n${mend}\n`;
}
