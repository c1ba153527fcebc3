import { createPrivateKey, X509Certificate } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { dataPath, describeSshConfig, type EngineOptions, systemClock } from '../index.js';
import { checkTokens } from './access/token-options.js';
import { Tokens } from './access/tokens.js';
import { LISTEN_PROBLEMS } from './listen.js';
import { type ResolvedServiceOptions, resolveServiceOptions, type ServiceOptions } from './options.js';

/** One thing that was looked at. */
export interface Finding {
  what: string;
  ok: boolean;
  /** What was found, and where it is not ok, what to do. */
  says: string;
}

const DAY_MS = 86_400_000;
/** A certificate that ends so soon is told of: whoever renews it needs time. */
const SOON_DAYS = 14;

/** Looks whether a service with these options could start. Starts, makes and changes nothing. */
export async function checkService(options: ServiceOptions): Promise<Finding[]> {
  const findings: Finding[] = [];
  const look = async (what: string, work: () => string | Promise<string>) => {
    try {
      findings.push({ what, ok: true, says: await work() });
    } catch (error) {
      findings.push({ what, ok: false, says: (error as Error).message });
    }
  };
  let resolved: ResolvedServiceOptions | undefined;
  await look('options', () => {
    resolved = resolveServiceOptions(options);
    return 'are valid';
  });
  if (!resolved) return findings;
  const { engine, tls, audit, tokens, host, port } = resolved;
  await look('tokens', () => tokensSaid(tokens));
  await look('tls', () => (tls ? tlsSaid(tls, Date.now()) : 'none'));
  await look('data directory', () => directorySaid(dataPath(engine.dataDir)));
  if (audit !== undefined) await look('audit', () => directorySaid(dirname(audit)));
  await look('address', () => addressSaid(host, port));
  await look('ssh_config', () => sshConfigSaid(engine.ssh));
  await look('known_hosts', () => knownHostsSaid(engine.ssh));
  return findings;
}

function tokensSaid(tokens: ResolvedServiceOptions['tokens']): string {
  // Reads what the references name.
  new Tokens('', checkTokens(tokens), systemClock);
  return tokens.length === 0 ? 'that of the first start alone' : `${tokens.length}, and that of the first start`;
}

function tlsSaid({ cert, key }: NonNullable<ResolvedServiceOptions['tls']>, now: number): string {
  const certificate = read(cert, (bytes) => new X509Certificate(bytes), 'is no certificate in PEM');
  const privateKey = read(key, (bytes) => createPrivateKey(bytes), 'is no private key in PEM without a passphrase');
  if (!certificate.checkPrivateKey(privateKey)) throw new Error(`${key} is not the key of ${cert}`);
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const days = Math.floor((to - now) / DAY_MS);
  if (now < from) throw new Error(`${cert} is not valid before ${certificate.validFrom}`);
  if (now > to) throw new Error(`${cert} has not been valid since ${certificate.validTo}; renew it`);
  if (days < SOON_DAYS) throw new Error(`${cert} ends in ${days} days, ${certificate.validTo}; renew it`);
  if ((statSync(key).mode & 0o026) !== 0) throw new Error(`${key} may be read by others; chmod 600 or 640 it`);
  return `valid until ${certificate.validTo}, ${days} days`;
}

function read<T>(path: string, parse: (bytes: Buffer) => T, problem: string): T {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new Error(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  try {
    return parse(bytes);
  } catch {
    throw new Error(`${path} ${problem}`);
  }
}

/** One that is not there yet is made at the start, where that can be. */
function directorySaid(path: string): string {
  let nearest = path;
  while (!existsSync(nearest)) nearest = dirname(nearest);
  if (!statSync(nearest).isDirectory()) throw new Error(`${nearest} is not a directory`);
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
  } catch {
    throw new Error(`${path} cannot be written: this user may not write in ${nearest}`);
  }
  return nearest === path ? path : `${path} will be made`;
}

function addressSaid(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', ({ code = '', message }: NodeJS.ErrnoException) =>
      reject(new Error(`cannot listen on ${host}:${port}: ${LISTEN_PROBLEMS[code] ?? message}`)),
    );
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(`${host}:${port} is free`)));
  });
}

async function sshConfigSaid({ config }: NonNullable<EngineOptions['ssh']> = {}): Promise<string> {
  if (config === undefined || config === false) return 'is not read';
  // Any host will do: what is wrong with a file is wrong for all.
  await describeSshConfig('localhost', { config });
  return typeof config === 'string' ? config : '~/.ssh/config and /etc/ssh/ssh_config';
}

function knownHostsSaid({ knownHosts, hostKeys = 'strict' }: NonNullable<EngineOptions['ssh']> = {}): string {
  const files = [knownHosts ?? [join(homedir(), '.ssh/known_hosts'), '/etc/ssh/ssh_known_hosts']].flat();
  const found = files.filter((file) => existsSync(file));
  for (const file of found) read(file, () => undefined, '');
  if (found.length > 0) return found.join(', ');
  if (hostKeys !== 'strict') return `none yet; --host-keys ${hostKeys}`;
  throw new Error(
    `there is none of ${files.join(', ')}: with --host-keys strict every host is refused; write known_hosts, or choose accept-new`,
  );
}
