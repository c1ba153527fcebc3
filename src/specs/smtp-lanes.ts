import { homedir } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import { KeylaneError } from '../errors.js';
import { laneOf } from '../routing.js';
import type { SmtpAccess, SmtpOptions } from '../smtp-types.js';
import type { Quota } from '../types.js';
import { isLoopbackHost } from '../util/networks.js';
import type { SmtpTarget } from './smtp.js';
import type { SmtpAccount } from './smtp-account.js';
import { PRESETS } from './smtp-presets.js';
import { type SourceDeps, Sources } from './smtp-sources.js';
import { hostOf } from './ssh-names.js';

interface Lane {
  key: string;
  lane: string;
  target: SmtpTarget;
  /** Of one message. */
  mostRecipients: number;
}

const CONNECTIONS = 5;
const CONNECT_TIMEOUT_MS = 30_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Accounts that are remembered; one that makes up users without end costs 10 MB at most. */
const LANES_KEPT = 8_192;

/** Makes a target of who and where, and remembers the answers: an account sends many messages. */
export class SmtpLanes {
  readonly #options: SmtpOptions;
  readonly #sources: Sources;
  readonly #known = new Map<string, Lane>();
  #version = 0;

  constructor(options: SmtpOptions, deps?: SourceDeps) {
    this.#options = options;
    this.#sources = new Sources(options.sourceAddresses, deps);
  }

  of(access: SmtpAccess, account: SmtpAccount | undefined): Lane {
    this.#sources.refresh();
    if (this.#version !== this.#sources.version || this.#known.size >= LANES_KEPT) this.#known.clear();
    this.#version = this.#sources.version;
    const name = nameOf(access, account);
    let lane = this.#known.get(name);
    if (!lane) {
      lane = this.#make(access, account);
      this.#known.set(name, lane);
    }
    return lane;
  }

  #make(access: SmtpAccess, account: SmtpAccount | undefined): Lane {
    const who = { ...this.#defaultsOf(access, account), ...defined(access) };
    const { preset, tls: asked, port: said, password, auth } = who;
    if (who.host === undefined)
      throw new KeylaneError('ERR_INPUT', 'smtp.host: expected the host of a server, here or in the option `smtp`');
    const host = hostOf(who.host);
    const tls = asked ?? (said === 465 ? 'implicit' : 'starttls');
    const port = said ?? (tls === 'implicit' ? 465 : 587);
    const user = who.user;
    const byToken = account?.oauth === true && auth !== 'plain' && auth !== 'login';
    checkLogin({ ...who, tls, host }, account, byToken);
    const key =
      account?.name ?? `${user === undefined ? '' : `${user}@`}${host.includes(':') ? `[${host}]` : host}:${port}`;
    const { most, mostRecipients } = this.#limits(preset, access.preset !== undefined, account);
    const sourceAddress = who.sourceAddress ?? this.#sources.of(key, host);
    const { ca, servername, clientName } = who;
    const { messagesPerConnection = 100, maxAgeMs = 300_000, replyTimeoutMs } = this.#options;
    const target: SmtpTarget = {
      key,
      host,
      port,
      tls,
      ...(ca !== undefined && { ca: absolute(ca) }),
      ...(servername !== undefined && { servername }),
      ...(user !== undefined && { user }),
      ...(password !== undefined && !byToken && { password }),
      ...(byToken && { account: account.name }),
      ...(auth !== undefined && { auth }),
      ...(clientName !== undefined && { clientName }),
      ...(sourceAddress !== undefined && { sourceAddress }),
      ...(replyTimeoutMs !== undefined && { replyTimeoutMs }),
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      messagesPerConnection,
      maxAgeMs,
      ...most,
    };
    return { key, lane: laneOf(key, target), target, mostRecipients };
  }

  /**
   * What the options say of a request. Who logs in there is of the server that they name: whoever goes elsewhere, or
   * another way, takes no secret along. An account says who it is itself.
   */
  #defaultsOf(access: SmtpAccess, account: SmtpAccount | undefined): Partial<SmtpAccess> {
    const { host, port, tls, ca, servername, user, password, auth, clientName, sourceAddress, preset } = this.#options;
    const ours = { clientName, sourceAddress, ca };
    if (account) return defined({ ...ours, preset });
    const ofServer = { host, port, tls, ca, servername, user };
    const isOther = Object.entries(ofServer).some(([field, value]) => {
      const own = access[field as keyof typeof ofServer];
      return own !== undefined && own !== value;
    });
    const isElsewhere = access.host !== undefined && access.host !== host;
    if (isElsewhere) return defined({ ...ours, preset });
    return defined({ ...ours, host, port, tls, servername, preset, ...(isOther ? {} : { user, password, auth }) });
  }

  /** An account's own limits go before its preset's, those before the engine's, and these before those of its preset. */
  #limits(
    preset: NonNullable<SmtpAccess['preset']> = 'generic',
    isOwn: boolean,
    account: SmtpAccount | undefined,
  ): { most: Pick<SmtpTarget, 'connections' | 'quotas'>; mostRecipients: number } {
    const published = PRESETS[preset];
    const ours = defined({
      connections: this.#options.connections,
      messagesPerMinute: this.#options.messagesPerMinute,
      recipientsPerDay: this.#options.recipientsPerDay,
    });
    const own = account
      ? defined({
          connections: account.connections,
          messagesPerMinute: account.messagesPerMinute,
          recipientsPerDay: account.recipientsPerDay,
        })
      : {};
    const most = isOwn ? { ...ours, ...published, ...own } : { ...published, ...ours, ...own };
    const { connections = CONNECTIONS, messagesPerMinute, messagesPerDay, recipientsPerDay } = most;
    const { recipientsPerMessage = Number.POSITIVE_INFINITY } = published;
    const quotas: Quota[] = [];
    if (messagesPerMinute !== undefined) quotas.push({ most: messagesPerMinute, perMs: MINUTE_MS });
    if (messagesPerDay !== undefined) quotas.push({ most: messagesPerDay, perMs: DAY_MS });
    if (recipientsPerDay !== undefined) quotas.push({ most: recipientsPerDay, perMs: DAY_MS, of: 'units' });
    const mostRecipients = Math.min(recipientsPerMessage, recipientsPerDay ?? Number.POSITIVE_INFINITY);
    return { most: { connections, quotas }, mostRecipients };
  }
}

/** What cannot log in, and what would show its secret to everybody on the way. */
function checkLogin(
  { host, tls, user, password, auth }: SmtpAccess & { host: string; tls: string },
  account: SmtpAccount | undefined,
  byToken: boolean,
): void {
  const where = account ? `account ${account.name}: ` : '';
  const wrong = (field: string, says: string) => new KeylaneError('ERR_INPUT', `smtp.${field}: ${where}${says}`);
  if ((password !== undefined || byToken) && user === undefined)
    throw wrong('user', `expected who logs in, beside the ${byToken ? 'token' : 'password'}`);
  if ((auth === 'xoauth2' || auth === 'oauthbearer') && !byToken)
    throw wrong('auth', `${auth} goes with a token: name an account with \`oauth\``);
  if ((auth === 'plain' || auth === 'login') && password === undefined)
    throw wrong('password', `expected a reference, env:NAME or file:PATH: ${auth} needs one`);
  if (tls === 'none' && (password !== undefined || byToken) && !isLoopbackHost(host))
    throw wrong(
      'tls',
      'a log-in goes over TLS: in the clear everybody on the way reads it (loopback addresses excepted)',
    );
}

const FIELDS = [
  'host',
  'port',
  'user',
  'password',
  'tls',
  'ca',
  'servername',
  'auth',
  'clientName',
  'sourceAddress',
  'preset',
] as const satisfies readonly (keyof SmtpAccess)[];

/** Tells requests for the same lane, at a glance. NUL is in none of these. */
function nameOf(access: SmtpAccess, account: SmtpAccount | undefined): string {
  let text = '';
  for (const field of FIELDS) text += `${access[field] ?? ''}\0`;
  return account ? `${text}${JSON.stringify(account)}` : text;
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}

/** What is in a lane must mean one file for ever. */
function absolute(path: string): string {
  if (path.startsWith('~/')) return `${homedir()}/${path.slice(2)}`;
  return isAbsolute(path) ? path : resolve(path);
}
