import { showJumps } from './jumps.js';
import { mistake, unsupported } from './mistakes.js';
import type { ResolvedConfig } from './resolved.js';
import type { Settings } from './settings.js';

/** What ssh stops at once every option of a destination is known. */
export function refuseDestination(config: ResolvedConfig, settings: Settings, localUser: string): void {
  const refused = settings.one('refuseconnection');
  if (refused !== undefined) throw mistake(refused.place, 'RefuseConnection', refused.values[0]!);
  const attempts = settings.one('connectionattempts');
  if (attempts?.values[0] === '0') throw mistake(attempts.place, 'ConnectionAttempts', 'at least one is needed');
  const user = settings.one('user');
  if (user !== undefined && user.place.line > 0 && /%|\$\{/.test(user.values[0]!))
    throw unsupported(
      user.place,
      'User',
      `"${user.values[0]}": whether tokens are expanded differs between versions of ssh; write the name`,
    );
  refuseLoop(config, settings, localUser);
}

/** The last host to jump through is the destination itself. */
function refuseLoop(config: ResolvedConfig, settings: Settings, localUser: string): void {
  const jump = settings.one('proxyjump');
  const last = jump === undefined ? undefined : config.proxyJump?.at(-1);
  if (jump === undefined || last === undefined || last.host !== config.hostName) return;
  const user = config.user ?? localUser;
  if ((last.port ?? 22) === (config.port ?? 22) && (last.user ?? user) === user)
    throw mistake(jump.place, 'ProxyJump', `the host jumps through itself: ${showJumps(jump.values[0]!)}`);
}
