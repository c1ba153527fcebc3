import { createReadStream } from 'node:fs';
import { extname, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import {
  type Account,
  type AccountChange,
  type AccountsOptions,
  createEngine,
  type DevicePrompt,
  type Engine,
  type EngineOptions,
  KeylaneError,
  type OpenAccounts,
  openAccounts,
  parseAccounts,
} from '../index.js';
import type {
  AccountsFlags,
  AccountsRuns,
  FieldFlags,
  ImportFlags,
  VerifyFlags,
  WhichFlags,
} from './accounts-flags.js';
import { accountsText, accountText, verdictsText, written } from './accounts-text.js';
import { configOf, configured } from './configured.js';
import { grouped } from './figures.js';
import { type Io, UsageError } from './io.js';
import { startEngine } from './start-engine.js';
import { visible } from './visible.js';

export interface AccountsDeps {
  openAccounts(options: AccountsOptions): OpenAccounts;
  createEngine(options: EngineOptions): Promise<Engine>;
}

const MOST_IMPORT_BYTES = 256 * 1024 * 1024;

/** The `keylane accounts` commands. */
export function accountsRuns(io: Io, deps: AccountsDeps = { openAccounts, createEngine }): AccountsRuns {
  const withAccounts = async (flags: AccountsFlags, work: (accounts: OpenAccounts) => Promise<number>) => {
    const { dataDir, allowCommands } = (await configOf(flags, io)).engine;
    const accounts = deps.openAccounts({ dataDir, allowCommands });
    try {
      return await asUsage(() => work(accounts));
    } finally {
      await accounts.close();
    }
  };
  const say = (text: string) => io.stdout.write(text);

  return {
    add: (name, flags) =>
      withAccounts(flags, async (accounts) => {
        const account = { name, driver: 'ssh', ...fieldsOf(flags) } as unknown as Account;
        await accounts.add(account);
        say(flags.format === 'text' ? `added ${name}\n` : written([account], 'ndjson'));
        return 0;
      }),

    list: (flags) =>
      withAccounts(flags, async (accounts) => {
        const found = await accounts.list(filterOf(flags));
        say(flags.format === 'text' ? accountsText(found) : written(found, flags.format));
        return 0;
      }),

    show: (name, flags) =>
      withAccounts(flags, async (accounts) => {
        const account = await accounts.get(name);
        say(flags.format === 'text' ? accountText(account) : written([account], 'ndjson'));
        return 0;
      }),

    set: (name, flags) =>
      withAccounts(flags, async (accounts) => {
        const account = await accounts.set(name, changeOf(flags));
        say(flags.format === 'text' ? `changed ${name}\n` : written([account], 'ndjson'));
        return 0;
      }),

    remove: (names, flags) =>
      withAccounts(flags, async (accounts) => {
        await accounts.remove(names);
        say(flags.format === 'text' ? names.map((name) => `removed ${name}\n`).join('') : written(names, flags.format));
        return 0;
      }),

    import: (file, flags) => withAccounts(flags, (accounts) => importFile(file, flags, accounts, io)),

    login: (name, flags) => withAccounts(flags, (accounts) => login(name, flags, accounts, io)),

    verify: (names, flags) => asUsage(() => verify(names, flags, io, deps)),
  };
}

async function importFile(file: string, flags: ImportFlags, accounts: OpenAccounts, io: Io): Promise<number> {
  const { replace = false, skipBad = false, from = formatOf(file) } = flags;
  const name = file === '-' ? 'stdin' : file;
  const rows = parseAccounts(await readAll(file, io.stdin), from, name);
  const { added, replaced, skipped } = await accounts.import(rows.accounts, { replace, skipBad, where: rows.where });
  for (const { message } of skipped) io.stderr.write(`${message.split('\n').map(visible).join('\n')}\n`);
  const counts = { added, replaced, skipped: skipped.length };
  const words = Object.entries(counts).map(([what, count]) => `${grouped(count)} ${what}`);
  io.stdout.write(flags.format === 'text' ? `${words.join(', ')}\n` : written([counts], 'ndjson'));
  return skipped.length > 0 ? 1 : 0;
}

async function login(name: string, flags: AccountsFlags, accounts: OpenAccounts, io: Io): Promise<number> {
  const stop = new AbortController();
  const interrupted = () => stop.abort();
  const show = ({ userCode, verificationUri, expiresInMs }: DevicePrompt) => {
    const minutes = Math.max(1, Math.round(expiresInMs / 60_000));
    io.stderr.write(`open ${verificationUri} and type ${userCode}, within ${minutes} min\n`);
  };
  io.on('SIGINT', interrupted);
  try {
    await accounts.login(name, show, { signal: stop.signal });
  } catch (error) {
    if (stop.signal.aborted) return 130;
    if (!(error instanceof KeylaneError) || !/^ERR_(AUTH|TOKEN)/.test(error.code)) throw error;
    io.stderr.write(`${visible(error.message)}\n`);
    return 1;
  } finally {
    io.off('SIGINT', interrupted);
  }
  io.stdout.write(flags.format === 'text' ? `logged in ${name}\n` : written([{ name }], 'ndjson'));
  return 0;
}

async function verify(
  names: readonly string[],
  flags: VerifyFlags,
  io: Io,
  { createEngine }: AccountsDeps,
): Promise<number> {
  if (names.length > 0 && (flags.driver !== undefined || flags.label.length > 0))
    throw new UsageError('name accounts, or choose them by --driver and --label; not both');
  const { concurrency, timeout: timeoutMs } = flags;
  const { options } = await configured(flags, io, { defaults: { shards: 1 } });
  const engine = await startEngine(createEngine, options);
  const stop = new AbortController();
  let status = 0;
  const interrupted = () => {
    status = 130;
    stop.abort();
  };
  io.on('SIGINT', interrupted);
  try {
    const which = names.length > 0 ? names : filterOf(flags);
    const verdicts = await engine.accounts.verify(which, { concurrency, timeoutMs, signal: stop.signal });
    const told = verdicts.map(({ error, ...verdict }) => ({
      ...verdict,
      ...(error && { error: { code: error.code, message: error.message } }),
    }));
    io.stdout.write(flags.format === 'text' ? verdictsText(told) : written(told, flags.format));
    return status || (told.every(({ ok }) => ok) ? 0 : 1);
  } finally {
    io.off('SIGINT', interrupted);
    if (stop.signal.aborted) await engine.destroy('keylane accounts verify was interrupted');
    else await engine.close();
  }
}

function filterOf({ driver, label }: WhichFlags): { driver?: string; labels: string[] } {
  return { ...(driver !== undefined && { driver }), labels: label };
}

/** The fields that flags give, as an account has them. */
function fieldsOf(flags: FieldFlags): Record<string, unknown> {
  const { driver, host, port, jump, hostKeys, user, password, passphrase, oauth: grant, label } = flags;
  const { tokenUrl, issuer, deviceUrl, clientId, clientSecret, clientAuth, refreshToken, scope, audience } = flags;
  const {
    requestTimeout: timeoutMs,
    maxOutput: maxOutputBytes,
    connections,
    messagesPerMinute,
    recipientsPerDay,
  } = flags;
  const { tls, servername, auth, clientName, sourceAddress, preset } = flags;
  const ca = flags.ca === undefined ? undefined : absolute(flags.ca);
  const identity = flags.identity.map(absolute);
  const knownHosts = flags.knownHosts === undefined ? undefined : absolute(flags.knownHosts);
  const oauth = {
    grant,
    tokenUrl,
    issuer,
    deviceUrl,
    clientId,
    clientSecret,
    clientAuth,
    refreshToken,
    scope,
    audience,
  };
  return given({
    driver,
    endpoint: given({
      ...{ host, port, jump, knownHosts, hostKeys },
      ...{ tls, ca, servername, auth, clientName, sourceAddress, preset },
    }),
    user,
    identity: identity.length > 1 ? identity : identity[0],
    secrets: given({ password, passphrase }),
    oauth: given(oauth),
    limits: given({ timeoutMs, maxOutputBytes, connections, messagesPerMinute, recipientsPerDay }),
    labels: label.length > 0 ? label : undefined,
  });
}

/** An account is used from any directory. */
function absolute(path: string): string {
  return path.startsWith('~/') ? path : resolve(path);
}

/** Without what is not there. */
function given(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) => value !== undefined && !(isObject(value) && Object.keys(value).length === 0),
    ),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function changeOf(flags: FieldFlags): AccountChange {
  const change = fieldsOf(flags);
  for (const path of flags.unset ?? []) {
    const [field = '', part, ...rest] = path.split('.');
    if (!/^[a-z]+(\.[a-zA-Z]+)?$/.test(path) || rest.length > 0)
      throw new UsageError(`--unset ${JSON.stringify(path)}: write a field, like user, labels or secrets.password`);
    if (part === undefined) change[field] = null;
    else change[field] = { ...(change[field] as object), [part]: null };
  }
  if (Object.keys(change).length === 0) throw new UsageError('nothing to change: name a field by its flag, or --unset');
  return change as AccountChange;
}

function formatOf(file: string): 'csv' | 'json' | 'ndjson' {
  switch (extname(file).toLowerCase()) {
    case '.csv':
      return 'csv';
    case '.json':
      return 'json';
    case '.ndjson':
    case '.jsonl':
      return 'ndjson';
    default:
      throw new UsageError(`${file}: its name does not tell what it is: write --from csv, json or ndjson`);
  }
}

async function readAll(file: string, stdin: Readable): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of file === '-' ? stdin : createReadStream(file)) {
      pieces.push(piece);
      size += piece.length;
      if (size > MOST_IMPORT_BYTES) throw new Error('more than 256 MiB: split it');
    }
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}`);
  }
  return Buffer.concat(pieces).toString();
}

/** What the accounts refuse is wrong with the command line, a file that it names, or the data directory. */
async function asUsage<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof KeylaneError) || !/^ERR_(INPUT|EXISTS|CONFIG|STORE)/.test(error.code)) throw error;
    throw new UsageError(error.message.split('\n').map(visible).join('\n'));
  }
}
