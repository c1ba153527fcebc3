import { readFile, stat } from 'node:fs/promises';
import { KeylaneError } from '../../../src/errors.js';
import { SingleFlight } from '../../../src/util/single-flight.js';
import { KnownHosts } from './known-hosts.js';

interface Version {
  mtimeMs: number;
  size: number;
  ino: number;
  bytes: Buffer;
  hosts: KnownHosts;
}

/** Known_hosts files, each parsed once for as long as it does not change, and only the new end where it just grew. */
export class KnownHostsFiles {
  readonly #versions = new Map<string, Version>();
  readonly #reading = new SingleFlight<KnownHosts | undefined>();

  /** The file as it is now; undefined if it is missing. Rejects with `ERR_HOST_KEY` where it cannot be read. */
  read(file: string): Promise<KnownHosts | undefined> {
    // Of 500 connections that open together, one looks.
    return this.#reading.run(file, () => this.#read(file));
  }

  async #read(file: string): Promise<KnownHosts | undefined> {
    try {
      const { mtimeMs, size, ino } = await stat(file);
      const known = this.#versions.get(file);
      if (known && known.mtimeMs === mtimeMs && known.size === size && known.ino === ino) return known.hosts;
      const bytes = await readFile(file);
      const hosts = known && grew(known.bytes, bytes) ? known.hosts : undefined;
      // A fleet of new hosts (accept-new) adds a line at a time: parsing it all for each would cost its square.
      hosts?.append(bytes.toString('utf8', known?.bytes.length));
      const version = { mtimeMs, size, ino, bytes, hosts: hosts ?? new KnownHosts(bytes.toString('utf8'), file) };
      this.#versions.set(file, version);
      return version.hosts;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw new KeylaneError(
        'ERR_HOST_KEY',
        `knownHosts: cannot read ${file} (${code}); make it readable, or name another file`,
        { cause },
      );
    }
  }
}

const LINE_END = 10;

function grew(before: Buffer, now: Buffer): boolean {
  return now.length >= before.length && before.at(-1) === LINE_END && now.subarray(0, before.length).equals(before);
}
