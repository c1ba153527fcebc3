import { type Config, type ConfigFile, type Fleet, type FleetHost, loadFleet, parseHost } from '../index.js';
import { asConfigured } from './configured.js';
import type { FleetFlags } from './fleet-flags.js';
import type { Io } from './io.js';
import { visible } from './visible.js';

/** The hosts of a command: groups by name, and what is said of each host. */
export class Hosts {
  readonly groups: Fleet['hostsOf'];
  readonly #fleet: Fleet;
  /** Fields that flags say of all hosts. */
  readonly #said: readonly string[];

  constructor(fleet: Fleet, said: NonNullable<ConfigFile['ssh']>) {
    this.groups = fleet.hostsOf;
    this.#fleet = fleet;
    this.#said = Object.keys(said);
  }

  /** How `-x` may mean a host: by its name or its address, each with the user and the port that its request has. */
  readonly formsOf = (typed: string): readonly string[] => {
    const { host, user, port } = this.of(typed).request;
    const names = new Set([parseHost(typed).host, host]);
    return [...names].map((name) => {
      const shown = name.includes(':') && port !== undefined ? `[${name}]` : name;
      return `${user === undefined ? '' : `${user}@`}${shown}${port === undefined ? '' : `:${port}`}`;
    });
  };

  /** What goes into the request for a host, as typed: typed with it, else by a flag (in the engine), else as configured. */
  of(typed: string): FleetHost {
    const { request, labels } = this.#fleet.of(typed);
    const address: object = parseHost(typed);
    const fields = Object.entries(request).filter(
      ([field]) => field === 'host' || field in address || !this.#said.includes(field),
    );
    return { request: Object.fromEntries(fields) as FleetHost['request'], labels };
  }
}

/** Reads the inventories. What of them was left out is told on stderr. */
export async function readHosts(
  { config, said }: { config: Config; said: NonNullable<ConfigFile['ssh']> },
  { inventory, skipBad }: FleetFlags,
  io: Io,
): Promise<Hosts> {
  const { dataDir } = config.engine;
  const fleet = await asConfigured(() =>
    loadFleet(config, {
      inventories: inventory,
      persist: true,
      ...(skipBad && { skipBad: true }),
      ...(dataDir !== undefined && { dataDir }),
    }),
  );
  for (const warning of fleet.warnings) io.stderr.write(`keylane: ${visible(warning)}\n`);
  return new Hosts(fleet, said);
}
