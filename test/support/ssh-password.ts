import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';

/** Accounts of this machine are made by root. */
export const canMakeAccounts = process.getuid?.() === 0;

/** An account of its own with a password that nobody else knows, for as long as it is in use. */
export class PasswordAccount implements Disposable {
  readonly user = `keylane-${randomUUID().slice(0, 8)}`;
  readonly password = randomUUID();

  constructor() {
    locked('useradd', '-r', '-M', '-d', '/', '-s', '/bin/sh', this.user);
    execFileSync('flock', [LOCK, 'chpasswd'], { input: `${this.user}:${this.password}\n`, stdio: 'pipe' });
  }

  [Symbol.dispose](): void {
    locked('userdel', '-f', this.user);
  }
}

/** Test processes come in parallel, and the tools of accounts fail rather than wait. */
const LOCK = '/run/keylane-test.lock';

function locked(...argv: string[]): void {
  execFileSync('flock', [LOCK, ...argv], { stdio: 'pipe' });
}
