import type { OpenContext } from '../../../src/types.js';
import type { HostKey } from './host-key.js';
import type { KnownHostsFiles } from './known-hosts-file.js';

/**
 * Writes down the keys of new hosts (`accept-new`), one at a time for a host: of several connections that met it at once
 * the first writes, and the others have to agree with it.
 */
export class NewHosts {
  readonly #files: KnownHostsFiles;
  readonly #writing = new Map<string, Promise<void>>();

  constructor(files: KnownHostsFiles) {
    this.#files = files;
  }

  /** Resolves when the line is in the file. Rejects with `ERR_HOST_KEY` if by now another key is there. */
  async write(hostKey: HostKey, ask: OpenContext['ask']): Promise<void> {
    const name = `${hostKey.file}\0${hostKey.name}`;
    const before = this.#writing.get(name);
    const writing = (before ?? Promise.resolve()).catch(() => undefined).then(() => this.#write(hostKey, ask));
    this.#writing.set(name, writing);
    try {
      await writing;
    } finally {
      if (this.#writing.get(name) === writing) this.#writing.delete(name);
    }
  }

  async #write(hostKey: HostKey, ask: OpenContext['ask']): Promise<void> {
    const line = hostKey.recheck(await this.#files.read(hostKey.file));
    if (line !== undefined) await ask('known_hosts', { file: hostKey.file, line });
  }
}
