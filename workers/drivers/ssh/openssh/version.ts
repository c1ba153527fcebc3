import { execFile } from 'node:child_process';
import { KeylaneError } from '../../../../src/errors.js';
import { childEnvironment } from './environment.js';
import { notStarted } from './failures.js';

/** Of OpenSSH: 9.2 is 902. */
export type Version = number;

/** Since then SSH_ASKPASS_REQUIRE=force has `ssh` ask a program where there is no display, or a terminal too. */
const ASKS = 804;
/** Since then what a server asks is told apart from what `ssh` asks. */
export const MARKS_QUESTIONS = 805;

const KNOWN = new Map<string, Promise<Version>>();

/** The version of the `ssh` that PATH leads to. Rejects with `ERR_CONFIG_UNSUPPORTED` where it cannot ask us. */
export async function versionThatAsks(key: string): Promise<Version> {
  const path = process.env.PATH ?? '';
  let known = KNOWN.get(path);
  if (!known) {
    known = look(key);
    KNOWN.set(path, known);
    known.catch(() => KNOWN.delete(path));
  }
  return known;
}

async function look(key: string): Promise<Version> {
  const said = await new Promise<string>((resolve, reject) => {
    execFile('ssh', ['-V'], { timeout: 5_000, env: childEnvironment([], {}) }, (error, stdout, stderr) => {
      // A number is its exit status; a word says why there was no process.
      if (error && typeof error.code === 'string') reject(notStarted(key, error as Error));
      else resolve(stdout + stderr);
    });
  });
  const [name, major, minor] = /OpenSSH_(?:for_Windows_)?(\d+)\.(\d+)/.exec(said) ?? [];
  const version = Number(major) * 100 + Number(minor);
  if (name !== undefined && version >= ASKS) return version;
  const message =
    "ssh.password, ssh.passphrase, ssh.hostKeys 'ask': the transport openssh needs OpenSSH 8.4 or later for them, and " +
    `this is ${name ?? 'no OpenSSH'}; update openssh-client, use a key or an agent, or \`transport: 'ssh2'\``;
  throw new KeylaneError('ERR_CONFIG_UNSUPPORTED', message, { key });
}
