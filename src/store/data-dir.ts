import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { KeylaneError } from '../errors.js';
import { privateDirectory } from './directory.js';

/**
 * The data directory, made if it is not there: what was asked for, else `keylane` in the XDG data home. Throws
 * `ERR_CONFIG` where it is not for this user alone, or cannot be.
 */
export function dataDirectory(asked?: string, env: NodeJS.ProcessEnv = process.env): string {
  const path = dataPath(asked, env);
  privateDirectory(path);
  return path;
}

/** Where it is or would be. */
export function dataPath(asked?: string, env: NodeJS.ProcessEnv = process.env): string {
  return asked === undefined ? join(dataHome(env), 'keylane') : resolve(asked);
}

/** A path that is not absolute counts as none. (XDG Base Directory Specification 0.8) */
function dataHome(env: NodeJS.ProcessEnv): string {
  const given = env.XDG_DATA_HOME;
  if (given !== undefined && isAbsolute(given)) return given;
  const home = env.HOME || homedir();
  if (isAbsolute(home)) return join(home, '.local', 'share');
  throw new KeylaneError('ERR_CONFIG', 'this user has no home directory; give `dataDir` (or KEYLANE_DATA_DIR)');
}
