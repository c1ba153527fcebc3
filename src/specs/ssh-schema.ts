import { z } from 'zod';
import { hostProblem, identifierProblem } from './ssh-names.js';

const MAX_COMMAND = 1 << 20;
const MAX_STDIN = 16 << 20;
const MAX_OUTPUT = 1 << 30;
const MAX_WORDS = 4_096;
const MAX_ENV = 1_024;
const MAX_PATH = 4_096;
const DAY_MS = 86_400_000;

/** Fails with whatever problem the function names; nothing is a pass. */
function named(problem: (value: string) => string | undefined): z.ZodString {
  return z.string().superRefine((value, context) => {
    const message = problem(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message, input: value });
  });
}

/** Text that a shell and UTF-8 can carry as it is. */
function text(most: number, beyond: string): z.ZodString {
  return named((value) => {
    if (value.length > most) return `expected at most ${most.toLocaleString('en-US')} characters; ${beyond}`;
    if (value.includes('\0')) return 'must not hold NUL (\\0), which no command line can carry; send it on `stdin`';
    if (LONE_SURROGATE.test(value))
      return 'holds half of a surrogate pair, which UTF-8 cannot carry; send bytes on `stdin`';
    return undefined;
  });
}

const LONE_SURROGATE = /\p{Surrogate}/u;

const host = named(hostProblem);
const user = named((value) => identifierProblem(value, 'a user name'));
const port = z
  .int('expected a whole number from 1 to 65535')
  .min(1, 'expected a port from 1 to 65535')
  .max(65_535, 'expected a port from 1 to 65535');
const path = named((value) => {
  if (value === '') return 'expected the path of a file; leave the field out for the default';
  if (value.includes('\0') || value.length > MAX_PATH)
    return `expected a path without NUL, at most ${MAX_PATH} characters`;
  return undefined;
});
const reference = named((value) =>
  /^(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\0]{1,4096})$/.test(value)
    ? undefined
    : 'expected a reference, `env:NAME` or `file:PATH`; keylane takes no secret in the open (put it into an environment variable or a file)',
);
const hostKeys = z.enum(['strict', 'accept-new', 'insecure']);
const maxOutputBytes = z
  .int('expected a whole number of bytes')
  .min(0, 'expected 0 bytes or more')
  .max(MAX_OUTPUT, `expected at most ${MAX_OUTPUT.toLocaleString('en-US')} (1 GiB); for more read a stream`);
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
const stdin = z.custom<string | Uint8Array>().superRefine((value, context) => {
  const fine = typeof value === 'string' || value instanceof Uint8Array;
  const message = fine
    ? 'expected at most 16 MiB; for more open a stream and write to it'
    : 'expected a string or bytes (Uint8Array)';
  if (!fine || value.length > MAX_STDIN) context.addIssue({ code: 'custom', message, input: value });
});

const shared = {
  port: port.optional(),
  user: user.optional(),
  identity: path.optional(),
  passphrase: reference.optional(),
  password: reference.optional(),
  knownHosts: path.optional(),
  hostKeys: hostKeys.optional(),
  maxOutputBytes: maxOutputBytes.optional(),
};

/** The schema of one request. */
export const sshRequest = z
  .strictObject({
    host,
    ...shared,
    command: text(MAX_COMMAND, 'send a longer script on `stdin` to `sh -s`').optional(),
    argv: z
      .array(text(MAX_COMMAND, 'send it on `stdin`'))
      .min(1, 'expected at least the name of a program')
      .max(
        MAX_WORDS,
        `expected at most ${MAX_WORDS.toLocaleString('en-US')} words; send them on \`stdin\` to \`xargs -0\``,
      )
      .optional(),
    stdin: stdin.optional(),
    env: env.optional(),
    encoding: z.enum(['utf8', 'buffer']).optional(),
  })
  .superRefine(({ command, argv }, context) => {
    if ((command === undefined) !== (argv === undefined)) {
      const words = argv?.reduce((sum, word) => sum + word.length + 3, 0) ?? 0;
      if (words > MAX_COMMAND) {
        context.addIssue({
          code: 'custom',
          path: ['argv'],
          message: 'expected at most 1 MiB in all; send the rest on `stdin`',
          input: argv,
        });
      }
      return;
    }
    const both = command !== undefined;
    const message = both
      ? 'expected `command` or `argv`, not both'
      : 'expected a `command` (for the shell) or `argv` (words, passed exactly)';
    context.addIssue({ code: 'custom', path: [both ? 'argv' : 'command'], message, input: command });
  });

/** The schema of `createEngine({ ssh })`. */
export const sshOptions = z.strictObject({
  ...shared,
  keepaliveMs: z.int('expected whole milliseconds').min(0).max(DAY_MS).optional(),
  connectTimeoutMs: z.int('expected whole milliseconds').min(1).max(DAY_MS).optional(),
  streams: z.int('expected a whole number').min(1).max(10, "expected at most 10, sshd's own MaxSessions").optional(),
});
