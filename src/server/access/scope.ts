import { FieldError } from '../field-error.js';
import { HostPatterns } from './host-pattern.js';
import { checkHttp } from './scope-http.js';
import { checkSmtpHost, checkSmtpOwn } from './scope-smtp.js';
import type { TokenOptions } from './token-options.js';

/** What the requests of a token may be about. */
export interface Scope {
  /** Throws `ERR_FORBIDDEN`, which names the field. */
  check(driver: string, request: unknown): void;
  seesKey(key: string): boolean;
  /** Globs that all keys match which it sees; undefined where it sees all. */
  readonly keyGlobs: readonly string[] | undefined;
}

type Request = Readonly<Record<string, unknown>>;

/** Those that a token which names none may use: of a driver of one's own nobody here knows what its requests reach. */
const BUILT_IN: readonly string[] = ['ssh', 'echo'];

/**
 * Of an `ssh` request: fields that name a file, a secret or a socket of the service's machine, or change what it keeps.
 * `sudo` and `jump` hold further ones.
 */
const OF_THE_MACHINE: readonly string[] = [
  'identity',
  'passphrase',
  'password',
  'agent',
  'forwardAgent',
  'knownHosts',
  'hashKnownHosts',
  'local',
];

/**
 * All that an `ssh` request may hold where the token is for some hosts only. Whatever is not here may lead elsewhere: to
 * another host (`jump`, an account's), to the service's machine, or to a host that only looks like the one that is meant
 * (`hostKeyAlias`, `algorithms`). A list of what may be, so that a field to come is refused until somebody has thought.
 */
const ON_THE_HOST: ReadonlySet<string> = new Set([
  'host',
  'port',
  'user',
  'op',
  'command',
  'argv',
  'shell',
  'stdin',
  'env',
  'maxOutputBytes',
  'encoding',
  'silenceMs',
  'killTree',
  'pty',
  'sudo',
  'detach',
  'id',
  'remote',
  'mode',
  'preserve',
  'parents',
  'resume',
  'methods',
  'hostKeys',
  'addressFamily',
]);

/**
 * Of drivers whose key is a name as it stands: the field that says it, and all else that a request may hold where the token
 * is for some names only. What a `stdio` request names is started as the configuration says, and not otherwise.
 */
const BY_NAME: Readonly<Record<string, { name: string; known: ReadonlySet<string> }>> = {
  echo: { name: 'key', known: new Set(['key', 'payload', 'openMs', 'delayMs', 'fault', 'etag']) },
  stdio: { name: 'server', known: new Set(['server', 'method', 'params', 'notify', 'session']) },
};

export function scopeOf({ name, hosts, drivers = BUILT_IN, files = false }: TokenOptions): Scope {
  const patterns = hosts && new HostPatterns(hosts);
  const refuse = (field: string, why: string) =>
    new FieldError('ERR_FORBIDDEN', [{ field, detail: `the token ${name} ${why}` }]);

  const checkOwn = (request: Request, at: string): void => {
    for (const field of OF_THE_MACHINE)
      if (request[field] !== undefined)
        throw refuse(
          `${at}.${field}`,
          "may not use files and secrets of the service's machine (`files: true` lets it)",
        );
    if (request.hostKeys !== undefined && request.hostKeys !== 'strict')
      throw refuse(`${at}.hostKeys`, 'may not take a host key that is not known (`files: true` lets it)');
    if (isObject(request.sudo) && request.sudo.password !== undefined)
      throw refuse(`${at}.sudo.password`, "may not use secrets of the service's machine (`files: true` lets it)");
    if (!Array.isArray(request.jump)) return;
    for (const [index, hop] of request.jump.entries()) if (isObject(hop)) checkOwn(hop, `${at}.jump[${index}]`);
  };

  const checkHost = (request: Request, own: HostPatterns): void => {
    for (const field in request)
      if (!ON_THE_HOST.has(field)) throw refuse(`request.${field}`, 'is for some hosts only, and may not say this');
    const { host, port, user } = request;
    // What is of a wrong type is nothing that any pattern has.
    const isSound =
      typeof host === 'string' &&
      (port === undefined || typeof port === 'number') &&
      (user === undefined || typeof user === 'string');
    if (!isSound) throw refuse('request.host', 'is for some hosts only: expected a host that it may reach');
    if (!own.hasHost({ host, port, user }))
      throw refuse(
        'request.host',
        `is not for ${host}${port === undefined ? '' : ` port ${port}`}; its hosts are ${shown(hosts!)}`,
      );
  };

  /** What a process keeps and says is for whoever shares it: other tokens have other processes. */
  const checkSession = ({ session }: Request): void => {
    if (typeof session !== 'string' || !session.startsWith(`${name}/`))
      throw refuse('request.session', `has processes of its own: name a session that begins with \`${name}/\``);
  };

  return {
    check(driver, request) {
      if (!drivers.includes(driver))
        throw refuse('driver', `may not use ${driver}; its drivers are ${drivers.join(', ')}`);
      if (!isObject(request)) return;
      if (driver === 'ssh') {
        if (patterns) checkHost(request, patterns);
        if (!files) checkOwn(request, 'request');
      } else if (driver === 'smtp') {
        if (patterns) checkSmtpHost(request, patterns, refuse);
        if (!files) checkSmtpOwn(request, refuse);
      } else if (driver === 'http') {
        checkHttp(request, { patterns, hosts: shown(hosts ?? []), files, refuse });
      } else if (patterns) {
        const named = Object.hasOwn(BY_NAME, driver) ? BY_NAME[driver] : undefined;
        if (!named) throw refuse('driver', 'is for some hosts only, and which host this reaches cannot be told');
        for (const field in request)
          if (!named.known.has(field)) throw refuse(`request.${field}`, 'is for some hosts only, and may not say this');
        const key = request[named.name];
        if (typeof key !== 'string' || !patterns.hasName(key))
          throw refuse(`request.${named.name}`, `is not for this ${named.name}; it is for ${shown(hosts!)}`);
      }
      if (driver === 'stdio') checkSession(request);
    },

    seesKey: (key) => patterns === undefined || patterns.hasKey(key),
    keyGlobs: patterns?.keyGlobs,
  };
}

function isObject(value: unknown): value is Request {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(list: readonly string[]): string {
  return list.length > 10 ? `${list.slice(0, 10).join(', ')} and ${list.length - 10} more` : list.join(', ');
}
