import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { KeylaneError } from '../../../../src/errors.js';
import type { ResolvedConfig } from '../../../../src/targets/ssh-config/resolved.js';
import { SshConfigFiles, type SshConfigOptions } from '../../../../src/targets/ssh-config/ssh-config.js';
import type { SshConfigQuery } from '../../../../src/targets/ssh-config/types.js';
import { FakeClock } from '../../../support/fake-clock.js';

/** A folder with files in it, gone after the test. The first file is the configuration of `-F`. */
export class Scratch {
  readonly folder = mkdtempSync(join(tmpdir(), 'keylane-ssh-config-'));
  readonly clock = new FakeClock();

  constructor(files: Record<string, string> = {}) {
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** `@DIR@` in the text is the folder. */
  write(name: string, text: string, mode = 0o600): string {
    const path = this.path(name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, text.replaceAll('@DIR@', this.folder));
    chmodSync(path, mode);
    return path;
  }

  open(options: Partial<SshConfigOptions> = {}): SshConfigFiles {
    return new SshConfigFiles({
      files: [{ path: this.path('config'), from: 'flag' }],
      home: this.path('home'),
      user: 'me',
      clock: this.clock,
      ...options,
    });
  }
}

/** The options of a host by a text. */
export function resolved(text: string, query: Partial<SshConfigQuery> = {}): ResolvedConfig {
  return now(new Scratch({ config: text }).open().resolve({ host: 'h', ...query }));
}

/** What is there at once, for nothing had to run. */
export function now(config: ResolvedConfig | Promise<ResolvedConfig>): ResolvedConfig {
  if (config instanceof Promise) throw new Error('it wants to run a command');
  return config;
}

/** The error that a call throws, with its code in front. */
export function errorOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof KeylaneError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'no error';
}
