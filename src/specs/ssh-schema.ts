import { isIP } from 'node:net';
import { z } from 'zod';
import type { SshMethod, SshRequest } from '../ssh-types.js';
import type { HostKeyQuestion } from '../types.js';
import { grouped } from '../util/grouped.js';
import { userProblem } from '../util/names.js';
import { jumpProblem } from './ssh-jump.js';
import { aliasProblem, hostProblem } from './ssh-names.js';
import { commandProblem, MAX_COMMAND, pathProblem, textProblem } from './ssh-texts.js';

const MAX_STDIN = 16 << 20;
const MAX_OUTPUT = 1 << 30;
const MAX_WORDS = 4_096;
const MAX_ENV = 1_024;
const DAY_MS = 86_400_000;

/** Fails with whatever problem the function names; nothing is a pass. */
export function named(problem: (value: string) => string | undefined): z.ZodString {
  return z.string().superRefine((value, context) => {
    const message = problem(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message, input: value });
  });
}

/** Text that a shell and UTF-8 can carry as it is. */
function text(most: number, beyond: string): z.ZodString {
  return named((value) => textProblem(value, most, beyond));
}

const host = named(hostProblem);
const user = named(userProblem);
const port = z
  .int('expected a whole number from 1 to 65535')
  .min(1, 'expected a port from 1 to 65535')
  .max(65_535, 'expected a port from 1 to 65535');
const path = named(pathProblem);
const reference = named((value) =>
  /^(env:[A-Za-z_][A-Za-z0-9_]*|(file|cmd):[^\0]{1,4096})$/.test(value)
    ? undefined
    : 'expected a reference, `env:NAME` or `file:PATH`; keylane takes no secret in the open (put it into an environment variable or a file)',
);
const hostKeys = z.enum(['strict', 'accept-new', 'ask', 'insecure']);
const MOST_PATHS = 64;
const paths = z.union(
  [
    path,
    z
      .array(path)
      .min(1, 'expected at least one path; leave the field out for the default')
      .max(MOST_PATHS, `expected at most ${MOST_PATHS} paths`),
  ],
  'expected a path or a list of paths, none of them empty',
);
const algorithm = named((value) =>
  /^[+^-]?[A-Za-z0-9@.*?_-]+(,[A-Za-z0-9@.*?_-]+)*$/.test(value) && value.length <= 4_096
    ? undefined
    : 'expected a list as ssh_config has it: names with commas between, after +, - or ^ if they change the default',
);
const algorithms = z.strictObject({
  kex: algorithm.optional(),
  ciphers: algorithm.optional(),
  macs: algorithm.optional(),
  hostKeys: algorithm.optional(),
});
const maxOutputBytes = z
  .int('expected a whole number of bytes')
  .min(0, 'expected 0 bytes or more')
  .max(MAX_OUTPUT, `expected at most ${grouped(MAX_OUTPUT)} (1 GiB); for more read a stream`);
const variable = /^[A-Za-z_][A-Za-z0-9_]*$/;
const env = z
  .record(
    named((value) =>
      variable.test(value) ? undefined : 'expected a name of letters, digits and _, not beginning with a digit',
    ),
    text(MAX_COMMAND, 'send it on `stdin`'),
  )
  .superRefine((value, context) => {
    if (Object.keys(value).length <= MAX_ENV) return;
    context.addIssue({ code: 'custom', message: `expected at most ${MAX_ENV} variables`, input: value });
  });
/** Text, or bytes in either form. */
const stdin = z.custom<string | Uint8Array | { base64: string }>().superRefine((value, context) => {
  const length = typeof value === 'string' || value instanceof Uint8Array ? value.length : base64Length(value);
  const message =
    length === undefined
      ? 'expected a string, bytes (Uint8Array), or bytes as `{"base64":"…"}`'
      : 'expected at most 16 MiB; for more open a stream and write to it';
  if (length === undefined || length > MAX_STDIN) context.addIssue({ code: 'custom', message, input: value });
});
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** How many bytes it stands for; undefined where it is nothing of the kind. */
export function base64Length(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1) return undefined;
  const { base64 } = value as { base64?: unknown };
  return typeof base64 === 'string' && BASE64.test(base64) ? Buffer.byteLength(base64, 'base64') : undefined;
}

const METHODS = ['publickey', 'password', 'keyboard-interactive'] as const satisfies readonly SshMethod[];
const methods = z
  .array(z.enum(METHODS))
  .min(1, 'expected at least one method; leave the field out for the default')
  .max(METHODS.length, 'expected each method at most once');

/** How a host is reached. */
const access = {
  port: port.optional(),
  user: user.optional(),
  identity: paths.optional(),
  identitiesOnly: z.boolean().optional(),
  agent: path.optional(),
  forwardAgent: z.union([z.boolean(), path], 'expected true, false or the path of a socket').optional(),
  methods: methods.optional(),
  passphrase: reference.optional(),
  password: reference.optional(),
  knownHosts: paths.optional(),
  hostKeyAlias: named(aliasProblem).optional(),
  hashKnownHosts: z.boolean().optional(),
  hostKeys: hostKeys.optional(),
  algorithms: algorithms.optional(),
  bindAddress: named((value) => (isIP(value) === 0 ? 'expected an address of this machine' : undefined)).optional(),
  addressFamily: z.enum(['any', 'inet', 'inet6']).optional(),
  transport: z.enum(['ssh2', 'openssh', 'auto']).optional(),
};

const hop = z.union([z.string(), z.strictObject({ host, ...access })], 'expected `user@host:port` or a hop');
const jump = z
  .union([z.string(), z.array(hop)], 'expected `user@host:port` (more with commas between) or a list of hops')
  .superRefine((value, context) => {
    const message = jumpProblem(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message, input: value });
  });

const id = named((value) =>
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(value)
    ? undefined
    : 'expected an id of letters, digits, `.`, `_` and `-`, at most 128, beginning with a letter or digit',
);
const size = (most: number) => z.int('expected a whole number').min(1).max(most).optional();
const pty = z.union([
  z.boolean(),
  z.strictObject({
    columns: size(10_000),
    rows: size(10_000),
    term: named((value) =>
      /^[A-Za-z0-9._+-]{1,64}$/.test(value) ? undefined : 'expected the name of a terminal, like xterm-256color',
    ).optional(),
  }),
]);
const sudo = z.union([z.boolean(), z.strictObject({ user: user.optional(), password: reference.optional() })]);

/** Fields that mean something to some operations only. */
const FIELDS_OF = [
  ['command', ['exec']],
  ['argv', ['exec']],
  ['shell', ['exec']],
  ['stdin', ['exec']],
  ['env', ['exec']],
  ['encoding', ['exec', 'collect']],
  ['silenceMs', ['exec']],
  ['killTree', ['exec']],
  ['pty', ['exec']],
  ['sudo', ['exec']],
  ['detach', ['exec']],
  ['id', ['poll', 'collect']],
  ['local', ['put', 'get']],
  ['remote', ['put', 'get']],
  ['mode', ['put', 'get']],
  ['preserve', ['put', 'get']],
  ['parents', ['put', 'get']],
  ['resume', ['put', 'get']],
] as const satisfies readonly [keyof SshRequest, readonly string[]][];

const NOT_DETACHED = ['pty', 'sudo', 'silenceMs', 'killTree'] as const;

/** What an account has too. */
export const sshFields = { host, port, user, path, reference, hostKeys, maxOutputBytes, bytes: stdin };

/** The schema of one request. */
export const sshRequest = z
  .strictObject({
    host,
    ...access,
    jump: jump.optional(),
    op: z.enum(['exec', 'put', 'get', 'poll', 'collect', 'probe']).optional(),
    command: named(commandProblem).optional(),
    argv: z
      .array(text(MAX_COMMAND, 'send it on `stdin`'))
      .min(1, 'expected at least the name of a program')
      .max(MAX_WORDS, `expected at most ${grouped(MAX_WORDS)} words; send them on \`stdin\` to \`xargs -0\``)
      .optional(),
    shell: z.enum(['posix', 'fish', 'csh', 'powershell', 'cmd']).optional(),
    stdin: stdin.optional(),
    env: env.optional(),
    maxOutputBytes: maxOutputBytes.optional(),
    encoding: z.enum(['utf8', 'buffer']).optional(),
    silenceMs: z.int('expected whole milliseconds').min(1).max(DAY_MS).optional(),
    killTree: z.boolean().optional(),
    pty: pty.optional(),
    sudo: sudo.optional(),
    detach: z.union([z.boolean(), z.strictObject({ id: id.optional() })]).optional(),
    id: id.optional(),
    local: path.optional(),
    remote: path.optional(),
    mode: z.int('expected permissions, like 0o644').min(0).max(0o7777).optional(),
    preserve: z.boolean().optional(),
    parents: z.boolean().optional(),
    resume: z.boolean().optional(),
  })
  .superRefine((request, context) => {
    const { op = 'exec', command, argv } = request;
    const wrong = (field: keyof typeof request, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message, input: request[field] });
    for (const [field, ops] of FIELDS_OF)
      if (request[field] !== undefined && !(ops as readonly string[]).includes(op))
        wrong(field, `goes with ${ops.join(', ')}, not with ${op}`);
    if ((op === 'poll' || op === 'collect') && request.id === undefined)
      wrong('id', 'expected the id of the detached command');
    if ((op === 'put' || op === 'get') && request.remote === undefined) wrong('remote', 'expected a file on the host');
    if (op !== 'exec') return;
    for (const field of NOT_DETACHED) {
      if (request.detach && request[field]) wrong(field, 'does not go with `detach`: nobody is there when it runs');
    }
    if (command !== undefined && argv !== undefined) wrong('argv', 'expected `command` or `argv`, not both');
    else if (command === undefined && argv === undefined)
      wrong('command', 'expected a `command` (for the shell) or `argv` (words, passed exactly)');
    if (request.shell !== undefined) {
      if (argv === undefined) wrong('shell', 'says what `argv` is quoted for, and there is none');
      else if (request.shell === 'powershell' || request.shell === 'cmd')
        wrong('shell', `keylane cannot quote \`argv\` for ${request.shell}; give \`command\`, quoted as it wants it`);
    }
    const words = argv?.reduce((sum, word) => sum + word.length + 3, 0) ?? 0;
    if (words > MAX_COMMAND) wrong('argv', 'expected at most 1 MiB in all; send the rest on `stdin`');
  });

/** What may be said of many hosts together, and go into each request for one of them. */
export const sshAccess = z.strictObject({ ...access, jump: jump.optional() });

/** The schema of `createEngine({ ssh })`. */
export const sshOptions = z.strictObject({
  ...access,
  jump: jump.optional(),
  config: z.union([z.boolean(), path], 'expected true, false or the path of a file').optional(),
  allowExec: z.boolean().optional(),
  confirmHostKey: z
    .custom<(about: HostKeyQuestion) => boolean | Promise<boolean>>(
      (value) => typeof value === 'function',
      'expected a function',
    )
    .optional(),
  maxOutputBytes: maxOutputBytes.optional(),
  keepaliveMs: z.int('expected whole milliseconds').min(0).max(DAY_MS).optional(),
  keepaliveCount: z.int('expected a whole number').min(1).max(1_000).optional(),
  connectTimeoutMs: z.int('expected whole milliseconds').min(1).max(DAY_MS).optional(),
  streams: z.int('expected a whole number').min(1).max(10, "expected at most 10, sshd's own MaxSessions").optional(),
});
