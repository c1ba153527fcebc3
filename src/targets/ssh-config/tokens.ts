import { createHash } from 'node:crypto';
import { expandNames } from './forwards.js';
import { BadValue } from './values.js';

/** What is the same for every host. */
export interface Here {
  readonly home: string;
  readonly user: string;
  readonly uid: number;
  /** This machine's name. */
  readonly machine: string;
}

/** What a destination's tokens are made of. */
export interface There {
  /** The host that is connected to, after HostName. */
  readonly host: string;
  /** The host as it was typed. */
  readonly typed: string;
  readonly port: number;
  readonly user: string;
  readonly alias: string;
  /** The last host to jump through, or empty. */
  readonly jump: string;
}

/** `%h`, `%p` and so on. Undefined where there is no such token. */
export function tokensOf(here: Here, there: There): (token: string) => string | undefined {
  return (token) => {
    switch (token) {
      case 'C':
        return createHash('sha1')
          .update(`${here.machine}${there.host}${there.port}${there.user}${there.jump}`)
          .digest('hex');
      case 'L':
        return here.machine.split('.', 1)[0];
      case 'd':
        return here.home;
      case 'h':
        return there.host;
      case 'i':
        return String(here.uid);
      case 'j':
        return there.jump;
      case 'k':
        return there.alias;
      case 'l':
        return here.machine;
      case 'n':
        return there.typed;
      case 'p':
        return String(there.port);
      case 'r':
        return there.user;
      case 'u':
        return here.user;
      default:
        return undefined;
    }
  };
}

/** Puts tokens in place, `%%` is a percent sign. */
export function expandTokens(text: string, tokens: (token: string) => string | undefined): string {
  if (!text.includes('%')) return text;
  return text.replace(/%(.?)/gs, (_all, token: string) => {
    const value = token === '%' ? '%' : token === '' ? undefined : tokens(token);
    if (value === undefined) throw new BadValue(`"%${token}" is no token here; write %% for a percent sign`);
    return value;
  });
}

/** As ssh does with most paths: the home, then tokens and `${NAME}` in one go, so that nothing is expanded twice. */
export function expandPath(path: string, here: Here, tokens: (token: string) => string | undefined): string {
  const whole = expandHome(path, here);
  return whole.replace(/\$\{[^}]*\}?|%.?/gs, (part) =>
    part.startsWith('$') ? expandNames(part) : expandTokens(part, tokens),
  );
}

/** `~/x` and `~user/x` of ourselves. */
export function expandHome(path: string, { home, user }: Here): string {
  if (!path.startsWith('~')) return path;
  const at = path.indexOf('/');
  const name = at < 0 ? path.slice(1) : path.slice(1, at);
  if (name !== '' && name !== user)
    throw new BadValue(`"${path}": homes of other users are not looked up; write the path`);
  const rest = at < 0 ? '' : path.slice(at).replace(/^\/+/, '');
  return `${home}${home.endsWith('/') ? '' : '/'}${rest}`;
}
