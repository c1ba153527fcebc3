import type { Driver, Spec } from '../src/types.js';

/** A driver's module, as a shard sees it. */
interface DriverModule {
  spec?: Partial<Spec>;
  load(): Promise<Driver>;
}

const BUILT_IN: Record<string, () => Promise<unknown>> = {
  echo: () => import('./drivers/echo/index.js'),
  ssh: () => import('./drivers/ssh/index.js'),
  smtp: () => import('./drivers/smtp/index.js'),
  stdio: () => import('./drivers/stdio/index.js'),
  http: () => import('./drivers/http/index.js'),
};

/** Imports a driver by its name: keylane's own, or one of the program's own by its URL. */
export async function loadDriver(name: string, own: Record<string, string>): Promise<Driver> {
  const url = own[name];
  const module = (await (url ? import(url) : BUILT_IN[name]?.())) as DriverModule | undefined;
  if (!module || typeof module.load !== 'function') throw new Error('the module exports no `load` function');
  const driver = (await module.load()) as Partial<Driver> | undefined;
  for (const part of ['open', 'execute', 'reusable', 'close'] as const) {
    if (typeof driver?.[part] !== 'function') throw new Error(`\`load\` gave no driver: it has no \`${part}\``);
  }
  const { streams } = driver as Driver;
  // Not a number is not at least 1 either.
  if (typeof streams !== 'function' && !(streams >= 1))
    throw new Error('`load` gave no driver: its `streams` must be at least 1');
  const { spec } = module;
  if (driver && !driver.ok && spec?.ok && Object.isExtensible(driver))
    driver.ok = (response) => spec.ok?.(response) === true;
  return driver as Driver;
}
