import { homedir } from 'node:os';
import { KeylaneError } from '../errors.js';
import type { SshHop, SshRequest } from '../ssh-types.js';
import { SshConfigFiles, usualFiles } from '../targets/ssh-config/ssh-config.js';
import { systemClock } from '../util/clock.js';
import { type Configured, configuredOf } from './ssh-configured.js';
import { hopsOf, MOST_HOPS } from './ssh-jump.js';
import { accessOf, type Stop } from './ssh-lanes.js';

/** The way to a host: what is said of it and of each hop, the first hop first. */
export interface Route {
  host: Stop;
  hops: readonly Stop[];
}

/** As much of the engine's options as decides about a way. */
interface Options {
  config?: boolean | string;
  allowExec?: boolean;
  user?: string;
  port?: number;
  jump?: SshRequest['jump'];
}

/** Finds ways with the help of ssh_config files. */
export class Router {
  readonly #files: SshConfigFiles;
  readonly #options: Options;

  constructor(options: Options) {
    const { config, allowExec = false } = options;
    this.#options = options;
    this.#files = new SshConfigFiles({
      files: usualFiles(homedir(), typeof config === 'string' ? config : undefined),
      allowExec,
      clock: systemClock,
    });
  }

  /** A promise only where a file has a command run (`Match exec`). Throws what is wrong with the files. */
  find(request: SshRequest): Route | Promise<Route> {
    const { user, port, jump } = this.#options;
    const host = accessOf(request);
    const query = { host: request.host, user: request.user ?? user, port: request.port ?? port };
    const config = this.#files.resolve(query);
    if (config instanceof Promise) return this.#findSlowly(request, host, query);
    const found = { ...host, configured: this.#configured(config) };
    const hops = request.jump ?? jump ?? config.proxyJump;
    if (hops === undefined || hops.length === 0 || hops === 'none') return { host: found, hops: NO_HOPS };
    return this.#through(hops, found);
  }

  async #findSlowly(request: SshRequest, host: Stop, query: { host: string }): Promise<Route> {
    const config = await this.#files.resolve(query);
    const found = { ...host, configured: this.#configured(config) };
    return this.#through(request.jump ?? this.#options.jump ?? config.proxyJump ?? [], found);
  }

  /** The last hop is reached through the others; only the first one has a way of its own, by its own ProxyJump. */
  async #through(jump: SshRequest['jump'], host: Stop): Promise<Route> {
    const hops: Stop[] = [];
    let wanted: readonly SshHop[] = hopsOf(jump);
    while (wanted.length > 0) {
      if (hops.length + wanted.length > MOST_HOPS) {
        throw new KeylaneError('ERR_CONFIG', `ssh.jump: more than ${MOST_HOPS} hops to ${host.host}: ProxyJump loops`);
      }
      const made: Stop[] = [];
      let before: readonly SshHop[] = [];
      for (const [index, hop] of wanted.entries()) {
        const { host: name, user, port } = hop;
        const config = await this.#files.resolve({ host: name, user, port });
        made.push({ ...hop, configured: this.#configured(config) });
        if (index === 0) before = hopsOf(config.proxyJump);
      }
      hops.unshift(...made);
      wanted = before;
    }
    return { host, hops };
  }

  #configured(config: Parameters<typeof configuredOf>[0]): Configured {
    return configuredOf(config, this.#options.allowExec ?? false);
  }
}

const NO_HOPS: readonly Stop[] = Object.freeze([]);
