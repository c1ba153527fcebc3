import type { SshHop, SshRequest } from '../ssh-types.js';
import { hostProblem, identifierProblem } from './ssh-names.js';

/** The hops of a request, the first one first. */
export function hopsOf(jump: SshRequest['jump']): readonly SshHop[] {
  if (jump === undefined) return NONE;
  return (typeof jump === 'string' ? [jump] : jump).flatMap((hop) =>
    typeof hop === 'string' ? parseJump(hop) : [hop],
  );
}

const NONE: readonly SshHop[] = Object.freeze([]);

/** `[user@]host[:port]`, several with commas between; `none` is none. Only what has no `jumpProblem`. */
function parseJump(text: string): SshHop[] {
  if (text.toLowerCase() === 'none') return [];
  return text.split(',').map((part) => {
    const at = part.lastIndexOf('@');
    const [, host, , bare, port] = /^((\[[^\]]*\])|([^:]*))(?::(\d+))?$/.exec(part.slice(at + 1)) ?? [];
    return {
      host: host ?? bare ?? '',
      ...(at < 0 ? {} : { user: part.slice(0, at) }),
      ...(port ? { port: Number(port) } : {}),
    };
  });
}

/** What is wrong with a text for `jump`. */
export function jumpProblem(text: string): string | undefined {
  for (const { host, user } of parseJump(text)) {
    const problem = hostProblem(host) ?? (user === undefined ? undefined : identifierProblem(user, 'a user name'));
    if (problem !== undefined) return problem;
  }
  return undefined;
}
