import type { Engine } from 'keylane';

/** What only looks, or is no request. */
const HARMLESS =
  /^(constructor|stats|close|destroy|list|get|show|keys|report|results|open|progress|find|has|directory)$/;

/** Notes each call of the engine, its batches, accounts and cache that does something; they are still done. */
export class EngineSpy {
  readonly calls: string[] = [];

  constructor(engine: Engine) {
    const parts = { engine, batches: engine.batches, accounts: engine.accounts, cache: engine.cache };
    for (const [part, object] of Object.entries(parts)) {
      for (const name of methodsOf(object)) {
        if (HARMLESS.test(name)) continue;
        const holder = object as unknown as Record<string, (...args: unknown[]) => unknown>;
        const method = holder[name]!;
        const spied = (...args: unknown[]) => {
          this.calls.push(`${part}.${name}`);
          return method.apply(object, args);
        };
        // What is frozen cannot be spied on; it is a face of the engine's own.
        if (!Object.isFrozen(object)) Object.defineProperty(object, name, { value: spied, configurable: true });
      }
    }
  }
}

function methodsOf(object: object): string[] {
  const names = new Set<string>();
  for (let at: object | null = object; at && at !== Object.prototype; at = Object.getPrototypeOf(at) as object | null)
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at)))
      if (typeof value === 'function') names.add(name);
  return [...names];
}
