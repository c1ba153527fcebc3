import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate that has signed itself, made for a test: who trusts `file` trusts its server. */
export class Certificate {
  readonly file: string;
  readonly keyFile: string;
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly #dir = mkdtempSync(join(tmpdir(), 'keylane-cert-'));

  /** For a server that has these names, as subjectAltName has them. */
  constructor(names = 'IP:127.0.0.1,DNS:localhost') {
    this.file = join(this.#dir, 'cert.pem');
    this.keyFile = join(this.#dir, 'key.pem');
    const asked = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=keylane -addext subjectAltName=${names}`;
    const args = [...asked.split(' '), '-keyout', this.keyFile, '-out', this.file];
    execFileSync('openssl', args, { stdio: 'ignore' });
    this.cert = readFileSync(this.file);
    this.key = readFileSync(this.keyFile);
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
