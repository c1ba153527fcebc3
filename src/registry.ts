import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { KeylaneError } from './errors.js';
import type { ResolvedOptions } from './options.js';
import { echoSpec } from './specs/echo.js';
import { makeHttpSpec } from './specs/http.js';
import { makeSmtpSpec } from './specs/smtp.js';
import { makeSshSpec } from './specs/ssh.js';
import { makeStdioSpec } from './specs/stdio.js';
import type { Spec } from './types.js';

/** The specs that an engine knows, by name, and where the shards find the drivers of the program's own. */
export interface Registry {
  specs: ReadonlyMap<string, Spec>;
  /** Name → URL. */
  own: Record<string, string>;
}

/** What each of keylane's own drivers is told once. */
type DriverOptions = Pick<ResolvedOptions, 'ssh' | 'smtp' | 'stdio' | 'http'>;

/** keylane's own drivers and the modules given. Rejects with `ERR_CONFIG` if a module is not a driver. */
export async function loadSpecs(modules: readonly string[], options: DriverOptions): Promise<Registry> {
  const specs = new Map<string, Spec>([
    ['echo', echoSpec as Spec],
    ['ssh', makeSshSpec(options.ssh) as Spec],
    ['smtp', makeSmtpSpec(options.smtp) as Spec],
    ['stdio', makeStdioSpec(options.stdio) as Spec],
    ['http', makeHttpSpec(options.http) as Spec],
  ]);
  const own: Record<string, string> = {};
  for (const given of modules) {
    const url = isAbsolute(given) ? pathToFileURL(given).href : given;
    const spec = await specOf(url);
    if (specs.has(spec.name))
      throw new KeylaneError('ERR_CONFIG', `drivers: ${url}: the name \`${spec.name}\` is taken`);
    specs.set(spec.name, spec);
    own[spec.name] = url;
  }
  return { specs, own };
}

async function specOf(url: string): Promise<Spec> {
  let module: { spec?: Partial<Spec>; load?: unknown };
  try {
    module = await import(url);
  } catch (cause) {
    throw new KeylaneError('ERR_CONFIG', `drivers: ${url} cannot be imported: ${(cause as Error).message}`, { cause });
  }
  const { spec, load } = module;
  const complete = typeof spec?.name === 'string' && typeof spec.parse === 'function' && typeof spec.ok === 'function';
  if (!complete || typeof load !== 'function') {
    throw new KeylaneError('ERR_CONFIG', `drivers: ${url} must export \`spec\` (name, parse, ok) and \`load\``);
  }
  return spec as Spec;
}
