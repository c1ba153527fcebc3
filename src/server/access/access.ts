import { type Clock, dataDirectory, loadConfig } from '../../index.js';
import type { ServiceOptions } from '../options.js';
import { firstToken } from './token-file.js';
import { checkTokens } from './token-options.js';
import { Tokens } from './tokens.js';

/** Who may call a service. */
export interface Access {
  readonly tokens: Tokens;
  /** The token of the first start, and where it is kept. */
  readonly token: string;
  readonly tokenFile: string;
}

/** Reads the tokens of a service, and makes the first one where there is none. Throws `ERR_CONFIG`. */
export async function openAccess(options: Pick<ServiceOptions, 'engine' | 'tokens'>, clock: Clock): Promise<Access> {
  const { token, file } = firstToken(dataDirectory(await dataDirOf(options.engine)));
  return { tokens: new Tokens(token, checkTokens(options.tokens ?? []), clock), token, tokenFile: file };
}

/** Where the engine keeps what it keeps. */
async function dataDirOf({ dataDir, config }: NonNullable<ServiceOptions['engine']> = {}): Promise<string | undefined> {
  if (dataDir !== undefined || config === undefined || config === false) return dataDir;
  const { engine } = await loadConfig(typeof config === 'string' ? { file: config } : {});
  return engine.dataDir;
}
