import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { MAIN } from './exec-cli.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Recipe {
  /** Its shell scripts, in order. */
  scripts: string[];
  /** Files that it says to make, by name: code blocks whose first line is a comment with it. */
  files: Record<string, string>;
}

/** A section of a page of docs/, as it stands there. */
export function recipe(title: string, name = 'batch.md'): Recipe {
  const page = readFileSync(join(ROOT, 'docs', name), 'utf8');
  const section = page.split(/^### /m).find((text) => text.startsWith(`${title}\n`));
  if (section === undefined) throw new Error(`docs/${name} has no section ${title}`);
  return examplesIn(section);
}

/** What a page says to run and to make. */
export function examplesIn(section: string): Recipe {
  const blocks = [...section.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
    language,
    text: text!,
  }));
  const files = blocks.flatMap(({ text }) => {
    const name = /^(?:\/\/|#) ([\w.-]+\.\w+)\n/.exec(text)?.[1];
    return name === undefined ? [] : [[name, text] as const];
  });
  return {
    scripts: blocks.filter(({ language }) => language === 'sh').map(({ text }) => text),
    files: Object.fromEntries(files),
  };
}

export interface Ran {
  status: number | null;
  out: string;
  err: string;
}

/** What a person has: a home with an ssh_config, a folder to work in, and `keylane` in the path. */
export class Desk {
  readonly dir = mkdtempSync(join(tmpdir(), 'keylane-desk-'));
  readonly #env: NodeJS.ProcessEnv;

  constructor(sshConfig = '') {
    for (const folder of ['bin', 'home/.ssh', 'node_modules']) mkdirSync(join(this.dir, folder), { recursive: true });
    writeFileSync(join(this.dir, 'bin/keylane'), `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`);
    chmodSync(join(this.dir, 'bin/keylane'), 0o755);
    writeFileSync(join(this.dir, 'home/.ssh/config'), sshConfig, { mode: 0o600 });
    // As `npm install` would have it.
    symlinkSync(ROOT, join(this.dir, 'node_modules/keylane'));
    const { XDG_DATA_HOME: _, XDG_CONFIG_HOME: __, KEYLANE_CONFIG: ___, ...env } = process.env;
    this.#env = { ...env, HOME: join(this.dir, 'home'), PATH: `${join(this.dir, 'bin')}:${process.env.PATH}` };
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.dir, name), text);
  }

  read(name: string): string {
    return readFileSync(join(this.dir, name), 'utf8');
  }

  /** Results of a file of NDJSON. */
  results(name: string): Record<string, unknown>[] {
    const lines = this.read(name).split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** The first command that fails ends it, as in a script with `set -e`. */
  async run(script: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const child = spawn('sh', ['-euc', script], {
      cwd: this.dir,
      env: { ...this.#env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    const [status] = (await once(child, 'close')) as [number | null];
    return { status, out, err };
  }

  clear(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** As many as one sshd listens on. */
const ADDRESSES_EACH = 16;

/** Real servers on loopback addresses, by name. */
export class Servers {
  readonly #daemons: readonly Sshd[];
  readonly #names: readonly string[];

  private constructor(daemons: readonly Sshd[], names: readonly string[]) {
    this.#daemons = daemons;
    this.#names = names;
  }

  /** `net`: the second byte of their addresses, so that no two fleets meet. */
  static async start(names: readonly string[], net: number, config: readonly string[] = []): Promise<Servers> {
    const addresses = names.map((_, at) => `127.${net}.${at >> 7}.${(at & 127) + 1}`);
    // Each daemon has a listener for the end of the process.
    process.setMaxListeners(100);
    const daemons: Promise<Sshd>[] = [];
    for (let at = 0; at < names.length; at += ADDRESSES_EACH)
      daemons.push(startSshd({ addresses: addresses.slice(at, at + ADDRESSES_EACH), config }));
    const started = await Promise.allSettled(daemons);
    const up = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const down = started.find((one) => one.status === 'rejected');
    if (down) {
      await Promise.all(up.map((daemon) => daemon.stop()));
      throw down.reason;
    }
    return new Servers(up, names);
  }

  /** How a person would have them in ~/.ssh/config. */
  get sshConfig(): string {
    return this.#names
      .map((name, at) => {
        const { addresses, port, identity, knownHosts, user } = this.#daemons[Math.floor(at / ADDRESSES_EACH)]!;
        // A busy machine is late with all of them, and nobody is dead.
        const words = [
          'ConnectTimeout 60',
          `HostName ${addresses[at % ADDRESSES_EACH]}`,
          `Port ${port}`,
          `User ${user}`,
        ];
        return [`Host ${name}`, ...words, `IdentityFile ${identity}`, `UserKnownHostsFile ${knownHosts}`].join('\n  ');
      })
      .join('\n');
  }

  addressOf(name: string): string {
    const at = this.#names.indexOf(name);
    return this.#daemons[Math.floor(at / ADDRESSES_EACH)]!.addresses[at % ADDRESSES_EACH]!;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#daemons.map((daemon) => daemon.stop()));
  }
}
