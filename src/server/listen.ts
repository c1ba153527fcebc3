import { KeylaneError } from '../index.js';
import type { ResolvedServiceOptions } from './options.js';
import type { App } from './parts.js';

/** Throws `ERR_CONFIG` where the address cannot be had. */
export async function listen(app: App, { host, port }: ResolvedServiceOptions): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    const { code } = error as NodeJS.ErrnoException;
    const says = code === undefined ? undefined : LISTEN_PROBLEMS[code];
    if (says === undefined) throw error;
    throw new KeylaneError('ERR_CONFIG', `createService.port: cannot listen on ${host}:${port}: ${says}`, {
      cause: error,
    });
  }
}

/** What listen(2) and the look-up of a name say. */
export const LISTEN_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process does; stop it, or choose another port',
  EACCES: 'this user may not; choose a port from 1024, or give it CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'there is no address of this name',
  EAI_AGAIN: 'the name cannot be looked up now; write an address',
};
