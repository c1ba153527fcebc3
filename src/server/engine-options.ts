import { type EngineOptions, loadConfig } from '../index.js';

/**
 * The engine's options, with what a service has need of that a program has not: its callers may have any URL asked for, and
 * must not reach through it what only its machine can. Where nobody has said which networks are denied, all are that are not
 * public; whoever wants none denied says so, `http: { deny: [] }`.
 */
export async function engineOptionsOf(given: EngineOptions): Promise<EngineOptions> {
  if (given.http?.deny !== undefined || (await deniedByConfig(given)) !== undefined) return given;
  return { ...given, http: { ...given.http, deny: 'private' } };
}

/** What options say goes before a file, so what a file says has to be known here. */
async function deniedByConfig({ config }: EngineOptions): Promise<unknown> {
  if (config !== true && (typeof config !== 'string' || config === '')) return undefined;
  const { engine } = await loadConfig(typeof config === 'string' ? { file: config } : {});
  return engine.http?.deny;
}
