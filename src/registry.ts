import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { KeylaneError } from './errors.js';
import { echoSpec } from './specs/echo.js';
import { makeSshSpec, type SshOptions } from './specs/ssh.js';
import type { Spec } from './types.js';

/** The specs that an engine knows, by name, and where the shards find the drivers of the program's own. */
export interface Registry {
  specs: ReadonlyMap<string, Spec>;
  /** Name → URL. */
  own: Record<string, string>;
}

/** keylane's own drivers and the modules given. Rejects with `ERR_CONFIG` if a module is not a driver. */
export async function loadSpecs(modules: readonly string[], ssh: SshOptions): Promise<Registry> {
  const specs = new Map<string, Spec>([
    ['echo', echoSpec as Spec],
    ['ssh', makeSshSpec(ssh) as Spec],
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
